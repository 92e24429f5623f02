"""A toy text format for prunus."""
