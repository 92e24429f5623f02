"""Keras models: read, lowered, written smaller."""

from __future__ import annotations

from prunus_tensorflow.keras_.read import load
from prunus_tensorflow.keras_.write import write

__all__ = ["load", "write"]
