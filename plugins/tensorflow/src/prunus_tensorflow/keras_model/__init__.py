"""Keras model files: read, lowered, written smaller."""

from __future__ import annotations

from prunus_tensorflow.keras_model.read import load
from prunus_tensorflow.keras_model.write import write

__all__ = ["load", "write"]
