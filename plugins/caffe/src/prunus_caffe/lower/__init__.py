"""Caffe's layers as standard operators of the neutral graph."""
