"""Seeded damage to files, and whether it is met with a plain word."""
