"""Darknet networks for prunus: read, lower, write."""
