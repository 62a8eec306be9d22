"""A trained model at work: the command `ser`, the page, ONNX, explanations."""
