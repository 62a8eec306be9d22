"""The page of `ser serve`: try a model on your own voice, and see how good it is."""
