"""The nets from features to logits, their input, and the folder of a trained model."""
