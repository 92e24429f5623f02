"""Measuring sensitivity on masked activations."""
