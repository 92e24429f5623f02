"""Data for write-back of a Keras model that was read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus_tensorflow.keras_model.preprocessing import PreprocessingSteps
from prunus_tensorflow.lower.position import Position
from prunus_tensorflow.lower.record import TensorRecord


@attrs.frozen(eq=False)
class KerasOrigin:
    """The original model and how the network lies in it.

    Attributes:
        model: The Keras model as loaded; never changed.
        inputs: Input of the model -> its native shape without the batch.
        preprocessing: Graph input that a barrier makes -> how it follows from the model's inputs.
        path: File it came from, ``None`` for a model in memory.
        layers: Native layer name -> the Keras layer (called layers only).
        positions: Initializer name -> native position; its holder's node is the layer's name.
        tensors: Native layer name -> value whose shape the layer's settings state.
        nodes: Native layer name -> names of its neutral nodes.
        custom: Classes and functions the file needs besides Keras' own.
        uncompiled: Why the compile settings could not be restored, if they could not.
    """

    model: Any
    inputs: Mapping[str, tuple[int, ...]]
    preprocessing: Mapping[str, PreprocessingSteps]
    path: Path | None
    layers: Mapping[str, Any]
    positions: Mapping[str, Position]
    tensors: Mapping[str, TensorRecord]
    nodes: Mapping[str, tuple[str, ...]]
    custom: Mapping[str, Any] = attrs.field(factory=dict)
    uncompiled: str | None = None
