"""Shared parts of the tests and benchmarks of the Darknet format; pytest is not needed."""
