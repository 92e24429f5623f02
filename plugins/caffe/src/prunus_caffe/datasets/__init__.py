"""Caffe's data layers as data sets."""
