"""Caffe for prunus: prototxt and caffemodel in, smaller prototxt and caffemodel out."""

from __future__ import annotations

__version__ = "0.1.0"
