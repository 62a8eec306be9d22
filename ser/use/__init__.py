"""Use of a trained model: the command `ser`, the page, ONNX export, explanations."""
