"""Engines: what networks run in once they are pruned, and how long they take there."""
