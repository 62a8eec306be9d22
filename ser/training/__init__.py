"""Fit nets to the folds of a split."""
