"""Compensation: kept weights take over for removed channels, before any training."""
