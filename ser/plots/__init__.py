"""Draw all pictures of the dataset and of the results in one style."""
