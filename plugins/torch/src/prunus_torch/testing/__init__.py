"""What the tests and benchmarks of the trainer share; needs nothing but the core's own libraries."""
