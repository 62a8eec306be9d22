"""The nets of a trained model at work: in PyTorch, or from an ONNX file without it."""
