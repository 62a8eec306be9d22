"""Features -> logits: the nets, their input, and the folder that a trained one is stored in."""
