"""What the tests and benchmarks of the Darknet format share; needs pytest in no place."""
