"""The page of `ser serve`: try a model on one's own voice, and look at how good it is."""
