"""The graph under construction, in terms of ncnn's blobs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunus.plugin import GraphBuilder, ModelError, check_room
from prunus_ncnn.blobs import FLOAT16, Slot
from prunus_ncnn.param import Layer

Dims = tuple[int, ...]
"""Sizes of a blob without the batch, ncnn's last axis first: ``(C, H, W)``, ``(H, W)``, ``(W,)``."""


class UnsupportedError(Exception):
    """A layer, or a setting of it, that is not known; the text ends "which …"."""


@dataclass(frozen=True)
class Blob:
    """A value of the graph, ``("N", *dims)``."""

    value: Any
    dims: Dims


class LayerBuilder(GraphBuilder):
    """Adds the operators of ncnn's layers.

    Attributes:
        arrays: Weights by layer and role, in the shapes of the file.
        tags: Tags of those that have one.
        names: Layer and role -> name of the initializer in the graph.
    """

    def __init__(self, arrays: Mapping[Slot, np.ndarray], tags: Mapping[Slot, int]) -> None:
        super().__init__()
        self.arrays = arrays
        self.tags = tags
        self.names: dict[Slot, str] = {}

    def emit(
        self, layer: Layer, op: str, inputs: Sequence[Any], dims: Dims,
        attributes: Mapping[str, Any] | None = None, part: str = "",
    ) -> Blob:  # fmt: skip
        """Add an operator; ``part`` names it where the layer has several.

        Raises:
            ModelError: its output is empty, or too large for this machine.
        """
        if min(dims, default=1) < 1:
            raise ModelError(f"{layer.where}: gives a blob of {shown(dims)}; make its input larger")
        check_room(4 * math.prod(dims), layer.where, ModelError)
        name = f"{layer.name}/{part}" if part else layer.name
        operands = [one.value if isinstance(one, Blob) else one for one in inputs]
        value = self.node(layer.name, op, operands, attributes, shape=("N", *dims), name=name)
        return Blob(value, dims)

    def bound(self, layer: Layer, role: str, shape: Dims | None = None) -> Any:
        """An initializer with a weight of the file; ``shape`` gives it other axes."""
        array = self.arrays[layer.index, role]
        return self.bind(layer, role, array if shape is None else array.reshape(shape))

    def bind(self, layer: Layer, role: str, array: np.ndarray) -> Any:
        """An initializer with a weight of the file in the layout of the operator."""
        half = self.tags.get((layer.index, role)) == FLOAT16
        value = self.weight(layer.name, role, array, stored="float16" if half else None)
        self.names[layer.index, role] = value.name
        return value

    def scalar(self, layer: Layer, part: str, number: float) -> Any:
        """A float32 number that the weights file does not hold."""
        return self.constant(f"{layer.name}/{part}", np.array(number, np.float32))

    def integers(self, layer: Layer, part: str, numbers: Sequence[int]) -> Any:
        """An int64 operand, such as a shape."""
        return self.constant(f"{layer.name}/{part}", np.array(numbers, np.int64))

    def reshape(self, layer: Layer, blob: Blob, dims: Dims, part: str = "") -> Blob:
        """Other axes for the same numbers; the same blob where they are the same."""
        if dims == blob.dims:
            return blob
        if len(dims) == 1:
            return self.emit(layer, "Flatten", [blob], dims, {"axis": 1}, part)
        shape = self.integers(layer, f"{part or 'reshape'}-shape", (0, *dims))
        return self.emit(layer, "Reshape", [blob, shape], dims, part=part)


def shown(dims: Dims) -> str:
    """``(3, 8, 8)`` as ``3x8x8``."""
    return "x".join(map(str, dims))


def image(layer: Layer, blob: Blob) -> tuple[int, int, int]:
    """Channels, height and width of a blob.

    Raises:
        UnsupportedError: it has fewer axes, or more.
    """
    if len(blob.dims) != 3:
        raise UnsupportedError(f"which takes a blob of {shown(blob.dims)}, no image")
    channels, height, width = blob.dims
    return channels, height, width


def along_channels(channels: int, dims: Dims) -> Dims:
    """Axes that spread one number a channel over a blob, whose first axis it is."""
    return (channels, *(1,) * (len(dims) - 1))
