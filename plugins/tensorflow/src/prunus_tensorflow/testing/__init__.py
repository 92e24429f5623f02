"""Shared parts of tests and benchmarks: random Keras models, and comparison with Keras itself."""
