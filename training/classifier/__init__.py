"""How the prompt classifier is made, from data to ONNX."""
