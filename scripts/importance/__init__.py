"""Which groups of features a trained model needs."""
