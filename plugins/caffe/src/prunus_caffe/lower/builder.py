"""The neutral graph under construction, and what layers say while they are added to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import GraphBuilder, ModelError, check_room
from prunus_caffe.blobs import Blobs, shape_text
from prunus_caffe.origin import Parameter
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]

_LARGEST_BLOB = 2**31 - 1
"""Caffe counts the values of a blob in an ``int`` (``Blob::Reshape``)."""


class BarrierError(Exception):
    """A layer that cannot be lowered as it is used here; the reason, for the user."""


@attrs.frozen(eq=False)
class Blob:
    """Meaning of a blob name at some point of the net.

    Attributes:
        value: Graph value; ``None`` for what the graph leaves out (labels, prior
            boxes, outputs of losses).
        dims: Shape with the file's own batch on axis 0.
        opaque: Layer that made it, if that is an opaque one: its shape is a guess.
    """

    value: ir.Value | None
    dims: Dims = ()
    opaque: str | None = None


class Builder(GraphBuilder):
    """The graph and the blobs of the layers so far; layer functions call it.

    Attributes:
        blobs: Blob name -> what it stands for at the layer that is being lowered.
        parameters: Initializer name -> native position.
        dropout: Graph value -> drop ratio.
    """

    def __init__(self, blobs: Blobs, path: Path) -> None:
        super().__init__()
        self._source = blobs
        self._path = path
        self._shared: dict[str, str] = {}
        self._tops: dict[int, ir.Value] = {}
        self._held = 0
        self.blobs: dict[str, Blob] = {}
        self.parameters: dict[str, Parameter] = {}
        self.dropout: dict[str, float] = {}

    # What layers read.

    def bottom(self, layer: LayerRecord, index: int = 0) -> Blob:
        """Blob of a bottom that is part of the graph.

        Raises:
            ModelError: the layer has too few bottoms.
            BarrierError: the bottom is a label or another thing left out of the graph.
        """
        if index >= len(layer.bottoms):
            raise self.error(layer, f"expected {index + 1} 'bottom', found {len(layer.bottoms)}")
        blob = self.blobs[layer.bottoms[index]]
        if blob.value is None:
            raise BarrierError(f"its bottom '{layer.bottoms[index]}' is not part of the graph")
        return blob

    def value(self, layer: LayerRecord, index: int = 0) -> tuple[ir.Value, Dims]:
        """Graph value and shape of a bottom."""
        blob = self.bottom(layer, index)
        assert blob.value is not None
        return blob.value, blob.dims

    def error(self, layer: LayerRecord, message: str) -> ModelError:
        """An error of a layer, with its position."""
        return ModelError(f"{self._path}:{layer.line}: layer '{layer.name}': {message}")

    def stored_dims(self, layer: LayerRecord, index: int) -> Dims | None:
        """Shape of a stored parameter blob, where there is one."""
        return self._source.dims(layer, index)

    def expect_blobs(self, layer: LayerRecord, count: int) -> None:
        """Check how many parameter blobs are stored.

        Raises:
            ModelError: another number of blobs.
        """
        found = self._source.count(layer)
        if found is not None and found > count:
            raise self.error(
                layer, f"needs {count} parameter blobs, its weights have {found} (check bias_term)"
            )

    def stored(self, layer: LayerRecord, index: int, role: str, dims: Dims) -> NDArray[np.float32]:
        """A parameter blob as it is stored, without adding it to the graph."""
        return self._source.take(layer, index, role, dims)

    # What layers add.

    def parameter(
        self, layer: LayerRecord, index: int, role: str, dims: Dims, *,
        form: Dims | None = None, axes: Dims | None = None, factor: float | None = None,
    ) -> ir.Value:  # fmt: skip
        """A parameter blob as initializer ``<layer>/<role>``; shared ones are one initializer.

        Args:
            layer: Its owner.
            index: Which of its blobs.
            role: Binding role.
            dims: Blob shape the layer needs.
            form: Shape in the graph, if it differs.
            axes: Axes of ``form`` that are the blob's axes, in the blob's order.
            factor: Divide by this (BatchNorm's third blob).
        """
        axes = tuple(range(len(dims))) if axes is None else axes
        shared = layer.shared[index] if index < len(layer.shared) else ""
        if shared and shared in self._shared:
            return self._share(layer, index, self._shared[shared], form or dims, axes)
        self._held += 4 * math.prod(dims)
        check_room(
            self._held, f"{self._path}:{layer.line}: weights up to layer '{layer.name}'", ModelError
        )
        array = self._source.take(layer, index, role, dims)
        if factor is not None:
            array = array * np.float32(factor)
        if form is not None:
            if axes != tuple(sorted(axes)):
                array = array.transpose(np.argsort(axes))
            array = np.ascontiguousarray(array).reshape(form)
        value = self.weight(layer.name, role, array, index)
        name = value.name or ""
        self.parameters[name] = Parameter((layer.name,), (index,), axes, factor is not None)
        if shared:
            self._shared[shared] = name
        return value

    def _share(self, layer: LayerRecord, index: int, name: str, dims: Dims, axes: Dims) -> ir.Value:
        value, owner = self.initializers[name], self.parameters[name]
        assert value.shape is not None
        found = tuple(value.shape.numpy())
        if found != dims or owner.axes != axes:
            raise self.error(
                layer,
                f"shares parameter '{layer.shared[index]}' of shape {shape_text(found)} "
                f"with layer '{owner.layers[0]}', but needs {shape_text(dims)}"
            )  # fmt: skip
        self.parameters[name] = attrs.evolve(
            owner, layers=(*owner.layers, layer.name), indices=(*owner.indices, index)
        )
        return value

    def scalar(self, name: str, number: float) -> ir.Value:
        """A float32 scalar initializer."""
        return self.constant(name, np.array(number, np.float32))

    def emit(
        self, layer: LayerRecord, op: str, inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None, *, part: str = "", outputs: int = 1,
    ) -> ir.Value:  # fmt: skip
        """Add one operator of a layer; gives its first output."""
        name = layer.name + (f"/{part}" if part else "")
        values = self.nodes(
            layer.name, op, inputs, attributes, shapes=[None] * outputs, name=name,
            outputs=[f"{name}:{position}" for position in range(outputs)],
        )  # fmt: skip
        return values[0]

    def top(self, layer: LayerRecord, value: ir.Value, dims: Dims, index: int = 0) -> None:
        """Publish a value as a top of the layer, under the blob's own name."""
        if math.prod(dims) > _LARGEST_BLOB:
            raise self.error(
                layer, f"would give {math.prod(dims)} values, Caffe counts to {_LARGEST_BLOB}; "
                "check num_output and the sizes before it"
            )  # fmt: skip
        sample = 4 * math.prod(dims[1:])
        check_room(sample, f"{self._path}:{layer.line}: layer '{layer.name}'", ModelError)
        blob = layer.tops[index] if index < len(layer.tops) else f"{layer.name}:{index}"
        if value.producer() is not None and id(value) not in self._tops:
            self._tops[id(value)] = value
            self.rename(value, self._free(blob, layer.name))
        self.blobs[blob] = Blob(value, dims)

    def skip(self, layer: LayerRecord) -> None:
        """The layer passes its bottom on."""
        self.layers.setdefault(layer.name, [])
        value, dims = self.value(layer)
        for index in range(len(layer.tops)):
            self.top(layer, value, dims, index)

    def left_out(self, layer: LayerRecord) -> None:
        """The layer's tops are not part of the graph."""
        self.layers.setdefault(layer.name, [])
        for name in layer.tops:
            self.blobs[name] = Blob(None)

    def feed(self, name: str, dims: Dims, opaque: str | None = None) -> None:
        """Declare a graph input for a blob, maybe of an opaque layer."""
        if math.prod(dims) > _LARGEST_BLOB:
            raise ModelError(
                f"{self._path}: input '{name}' would hold {math.prod(dims)} values, Caffe counts "
                f"to {_LARGEST_BLOB}; check its shape"
            )
        check_room(4 * math.prod(dims[1:]), f"{self._path}: input '{name}'", ModelError)
        value = self.input(self._free(name, opaque), ("N", *dims[1:]))
        self.blobs[name] = Blob(value, dims, opaque)

    def reshape_guess(self, blob: Blob, dims: Dims) -> None:
        """A consumer knows the shape of an opaque layer's output better than its first bottom."""
        assert blob.value is not None
        blob.value.shape = ir.Shape(["N", *dims[1:]])

    def ends(self, cut: Sequence[ir.Value]) -> list[ir.Value]:
        """Graph outputs in order: where the net is cut, and tops that nobody consumes."""
        wanted = {id(value) for value in cut}
        return [value for value in self._tops.values() if id(value) in wanted or not value.uses()]

    def _free(self, blob: str, layer: str | None) -> str:
        """A blob's name; with the layer behind it where a value has that name (in-place layers)."""
        return f"{blob}@{layer}" if blob in self.values else blob
