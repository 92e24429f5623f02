"""Darknet's box losses, as the torch trainer takes them."""
