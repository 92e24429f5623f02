"""TFLite: TensorFlow's own converter and interpreter."""
