"""Graphs without Keras: GraphDef or MetaGraphDef with a checkpoint, and frozen graphs."""

from __future__ import annotations

from prunus_tensorflow.graphdef.load import load
from prunus_tensorflow.graphdef.write import write

__all__ = ["load", "write"]
