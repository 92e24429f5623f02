"""Caffe's layers as standard operators of the neutral graph."""

from prunus_caffe.lower.network import Lowered, lower

__all__ = ["Lowered", "lower"]
