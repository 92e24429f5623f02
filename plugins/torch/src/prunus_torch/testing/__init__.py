"""What the tests and benchmarks of the trainer share."""
