"""Predictions -> figures with their intervals, and the card of a model."""
