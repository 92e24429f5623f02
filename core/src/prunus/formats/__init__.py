"""Formats of the core itself."""
