"""Shared parts of the trainer's tests and benchmarks."""
