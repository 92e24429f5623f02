"""Caffe itself as an engine, in the user's own interpreter."""
