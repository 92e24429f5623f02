"""What tests and benchmarks share: random Keras models, and comparison with Keras itself."""
