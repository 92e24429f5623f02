"""Running networks in ONNX Runtime and measuring what a user cares about."""
