"""Choosing how many channels each group keeps."""
