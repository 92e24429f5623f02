"""TensorFlow graphs, Keras models and SavedModels for prunus."""

from __future__ import annotations

__version__ = "0.1.0"
