"""Darknet itself as an engine: its library, in a process of its own."""
