"""Which clips are trained on, which validate, which test."""
