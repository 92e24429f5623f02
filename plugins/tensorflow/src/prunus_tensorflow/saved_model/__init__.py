"""SavedModels: one signature as a graph, its variables and signatures kept.

A SavedModel of TensorFlow 2 holds functions and an object graph instead of layers (Keras 3
writes such ones with ``model.export``). The signature's function is inlined with its variables
as constants and read as a low-level graph; the smaller graph is wrapped into functions of the
same signatures again, with variables of the old names.
"""

from __future__ import annotations

from prunus_tensorflow.saved_model.read import load
from prunus_tensorflow.saved_model.write import write

__all__ = ["load", "write"]
