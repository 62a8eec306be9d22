"""Train nets on the folds of a split."""
