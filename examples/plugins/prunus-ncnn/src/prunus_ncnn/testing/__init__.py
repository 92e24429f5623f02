"""What the tests and the measurements of the package share."""
