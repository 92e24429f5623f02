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

from prunus.plugin import Binding, ModelError, check_room
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


class Builder:
    """Collects nodes, initializers and facts; layer functions call it.

    Attributes:
        inputs: Graph inputs: declared ones, then the tops of opaque layers.
        blobs: Blob name -> what it stands for at the layer that is being lowered.
        initializers: Weights and constants by name.
        bindings, layers, notes: As in ``Network``.
        parameters: Initializer name -> native position.
        dropout: Graph value -> drop ratio.
    """

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._source = blobs
        self._path = path
        self._names: set[str] = set()
        self._nodes: list[ir.Node] = []
        self._shared: dict[str, str] = {}
        self._named: set[int] = set()
        self._owner: dict[str, str] = {}
        self._held = 0
        self.inputs: list[ir.Value] = []
        self.blobs: dict[str, Blob] = {}
        self.initializers: dict[str, ir.Value] = {}
        self.bindings: dict[str, Binding] = {}
        self.parameters: dict[str, Parameter] = {}
        self.layers: dict[str, list[str]] = {}
        self.dropout: dict[str, float] = {}
        self.notes: list[str] = []

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
        value = self.constant(f"{layer.name}/{role}", array)
        name = value.name or ""
        self.bindings[name] = Binding(layer.name, role, index)
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

    def constant(self, name: str, array: NDArray[Any] | Sequence[int]) -> ir.Value:
        """An initializer without a native position; Python integers give int64."""
        data = np.asarray(array, None if isinstance(array, np.ndarray) else np.int64)
        name = self._unique(name)
        value = ir.Value(
            name=name,
            shape=ir.Shape(data.shape),
            type=ir.TensorType(ir.DataType.from_numpy(data.dtype)),
            const_value=ir.Tensor(data, name=name),
        )
        self.initializers[name] = value
        return value

    def scalar(self, name: str, number: float) -> ir.Value:
        """A float32 scalar initializer."""
        return self.constant(name, np.array(number, np.float32))

    def node(
        self, layer: LayerRecord, op: str, inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None, *, part: str = "", outputs: int = 1,
    ) -> ir.Value:  # fmt: skip
        """Add one operator of a layer; gives its first output."""
        name = self._unique(layer.name + (f"/{part}" if part else ""), node=True)
        given = [_attribute(key, value) for key, value in (attributes or {}).items()]
        node = ir.Node("", op, inputs, given, num_outputs=outputs, name=name)
        for position, value in enumerate(node.outputs):
            value.name = self._unique(f"{name}:{position}")
            value.type = ir.TensorType(ir.DataType.FLOAT)
        self._nodes.append(node)
        self.layers.setdefault(layer.name, []).append(name)
        self._owner[name] = layer.name
        return node.outputs[0]

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
        if value.producer() is not None and id(value) not in self._named:
            self._named.add(id(value))
            value.name = self._unique(blob, fallback=f"{blob}@{layer.name}")
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

    def input(self, name: str, dims: Dims, opaque: str | None = None) -> None:
        """Declare a graph input for a blob."""
        if math.prod(dims) > _LARGEST_BLOB:
            raise ModelError(
                f"{self._path}: input '{name}' would hold {math.prod(dims)} values, Caffe counts "
                f"to {_LARGEST_BLOB}; check its shape"
            )
        check_room(4 * math.prod(dims[1:]), f"{self._path}: input '{name}'", ModelError)
        value = ir.Value(
            name=self._unique(name, fallback=f"{name}@{opaque}"),
            shape=ir.Shape(["N", *dims[1:]]),
            type=ir.TensorType(ir.DataType.FLOAT),
        )
        self.inputs.append(value)
        self.blobs[name] = Blob(value, dims, opaque)

    def reshape_guess(self, blob: Blob, dims: Dims) -> None:
        """A consumer knows the shape of an opaque layer's output better than its first bottom."""
        assert blob.value is not None
        blob.value.shape = ir.Shape(["N", *dims[1:]])

    def _unique(self, name: str, *, fallback: str | None = None, node: bool = False) -> str:
        kind = "node " if node else ""
        chosen, count = name, 1
        if kind + chosen in self._names and fallback is not None:
            name = chosen = fallback
        while kind + chosen in self._names:
            count += 1
            chosen = f"{name}#{count}"
        self._names.add(kind + chosen)
        return chosen

    def model(self, cut: Sequence[ir.Value], name: str) -> ir.Model:
        """The finished graph: ``cut`` values and tops nobody reads are its outputs, in order.

        Nodes of a layer that turned out to be opaque, and inputs nobody reads, are dropped.
        """
        wanted = {id(value) for value in cut}
        outputs: list[ir.Value] = []
        nodes: list[ir.Node] = []
        for node in reversed(self._nodes):
            ends = [
                value for value in node.outputs
                if id(value) in wanted or (id(value) in self._named and not value.uses())
            ]  # fmt: skip
            if not ends and not any(value.uses() for value in node.outputs):
                for position in range(len(node.inputs)):
                    node.replace_input_with(position, None)
                self.layers[self._owner[node.name or ""]].remove(node.name or "")
                continue
            outputs[:0] = ends
            nodes.insert(0, node)
        used = [value for value in self.inputs if value.uses()]
        read = {name: value for name, value in self.initializers.items() if value.uses()}
        self.bindings = {name: b for name, b in self.bindings.items() if name in read}
        self.parameters = {name: p for name, p in self.parameters.items() if name in read}
        graph = ir.Graph(
            used, outputs, nodes=nodes, initializers=list(read.values()), opset_imports={"": 17},
            name=name or "net",
        )  # fmt: skip
        return ir.Model(graph, ir_version=9, producer_name="prunus_caffe")


def _attribute(name: str, value: Any) -> ir.Attr:
    """An attribute of the types that layers use; `ir.node` looks for many more, at some cost."""
    if isinstance(value, bool | int):
        return ir.AttrInt64(name, int(value))
    if isinstance(value, float):
        return ir.AttrFloat32(name, value)
    if isinstance(value, list | tuple) and value and all(isinstance(v, int) for v in value):
        return ir.AttrInt64s(name, [int(v) for v in value])
    return ir.convenience.convert_attribute(name, value)
