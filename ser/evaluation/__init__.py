"""Compute the figures of an evaluation with their intervals, and write the model card."""
