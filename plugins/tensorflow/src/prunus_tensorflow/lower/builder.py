"""The neutral graph under construction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Binding
from prunus_tensorflow.lower.position import Place
from prunus_tensorflow.lower.tensors import Dynamic, Static, symbolic

OPSET = 17
IR_VERSION = 9


@attrs.define(eq=False)
class Operation:
    """One node to be; the converter may still give it a bias."""

    name: str
    layer: str
    op: str
    inputs: list[ir.Value]
    outputs: list[ir.Value]
    attributes: dict[str, Any]


@attrs.define(eq=False)
class Builder:
    """Collects operations and initializers, and keeps their names unique.

    Attributes:
        operations: In execution order.
        initializers: Name -> value.
        places: Initializer name -> where it lies natively (bound ones only).
        bindings: The same as the core sees it.
        layers: Native node -> names of its neutral nodes.
        makers: Value name at creation -> operation that makes it.
        frozen: Value -> why its channels stay.
        dropout: Value -> drop ratio.
        notes: Sentences for the user.
        users: Native holder -> the positions it was used at; more than one is a conflict.
    """

    operations: list[Operation] = attrs.field(factory=list)
    initializers: dict[str, ir.Value] = attrs.field(factory=dict)
    places: dict[str, Place] = attrs.field(factory=dict)
    bindings: dict[str, Binding] = attrs.field(factory=dict)
    layers: dict[str, list[str]] = attrs.field(factory=dict)
    makers: dict[int, Operation] = attrs.field(factory=dict)
    frozen: list[tuple[ir.Value, str]] = attrs.field(factory=list)
    dropout: list[tuple[ir.Value, float]] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    _taken: set[str] = attrs.field(factory=set)
    _nodes: set[str] = attrs.field(factory=set)
    users: dict[str, set[Place]] = attrs.field(factory=dict)
    _by_place: dict[Place, ir.Value] = attrs.field(factory=dict)
    _transposed: dict[tuple[int, tuple[int, ...]], ir.Value] = attrs.field(factory=dict)

    def unique(self, name: str) -> str:
        """``name``, with ``@2``, ``@3``, … if it is taken."""
        candidate, number = name, 2
        while candidate in self._taken:
            candidate = f"{name}@{number}"
            number += 1
        self._taken.add(candidate)
        return candidate

    def rename(self, value: ir.Value, name: str) -> None:
        """Give a value another name, freeing the old one."""
        self._taken.discard(value.name or "")
        value.name = self.unique(name)

    def value(self, name: str, shape: tuple[int, ...]) -> ir.Value:
        """A new float value; ``shape`` in neutral order."""
        return ir.Value(
            name=self.unique(name), shape=symbolic(shape), type=ir.TensorType(ir.DataType.FLOAT)
        )

    def add(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        layer: str,
        shapes: Sequence[tuple[int, ...]],
        names: Sequence[str] = (),
        **attributes: Any,
    ) -> list[ir.Value]:
        """Add an operation with one output for each of ``shapes`` (neutral order)."""
        names = names or [layer if i == 0 else f"{layer}:{i}" for i in range(len(shapes))]
        outputs = [self.value(name, shape) for name, shape in zip(names, shapes, strict=True)]
        name, number = f"{layer}/{op}", 2
        while name in self._nodes:
            name, number = f"{layer}/{op}@{number}", number + 1
        self._nodes.add(name)
        self.layers.setdefault(layer, []).append(name)
        operation = Operation(name, layer, op, list(inputs), outputs, attributes)
        self.operations.append(operation)
        self.makers.update({id(output): operation for output in outputs})
        return outputs

    def numbers(self, layer: str, role: str, values: Sequence[int]) -> ir.Value:
        """An int64 shape operand of its own."""
        return self._initializer(f"{layer}/{role}", np.asarray(values, np.int64))

    def constant(self, layer: str, role: str, array: NDArray[Any]) -> ir.Value:
        """An unbound float initializer."""
        return self._initializer(f"{layer}/{role}", np.asarray(array, np.float32))

    def weight(self, layer: str, role: str, static: Static, place: Place) -> ir.Value:
        """A bound initializer; the same position twice is one initializer (shared weights)."""
        self.users.setdefault(place.holder.node, set()).add(place)
        existing = self._by_place.get(place)
        if existing is not None:
            return existing
        native = static.array.reshape(place.shape)
        array = np.ascontiguousarray(place.to_neutral(native), np.float32)
        value = self._initializer(f"{layer}/{role}", array)
        name = value.name or ""
        self.places[name] = place
        self.bindings[name] = Binding(layer, role, place.holder.key)
        self._by_place[place] = value
        return value

    def arrange(self, tensor: Dynamic, perm: tuple[int, ...], layer: str) -> Dynamic:
        """The tensor with its neutral axes in another order."""
        if tensor.perm == perm:
            return tensor
        key = (id(tensor.value), tuple(tensor.perm.index(axis) for axis in perm))
        value = self._transposed.get(key)
        if value is None:
            shape = tuple(tensor.shape[axis] for axis in perm)
            name = f"{tensor.value.name}@{'nchw' if perm[1:2] == (len(perm) - 1,) else 'moved'}"
            (value,) = self.add(
                "Transpose", [tensor.value], layer, [shape], [name], perm=list(key[1])
            )
            self._transposed[key] = value
        return Dynamic(value, tensor.shape, perm)

    def native(self, tensor: Dynamic, layer: str) -> Dynamic:
        """The tensor with its axes in native order."""
        return self.arrange(tensor, tuple(range(len(tensor.shape))), layer)

    def free(self, value: ir.Value, opaque: Collection[int]) -> bool:
        """True if no weight lies before a value: it follows from the samples alone.

        Args:
            value: The value.
            opaque: ids of graph inputs that count as weights.
        """
        pending, seen = [value], set[int]()
        while pending:
            one = pending.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if id(one) in opaque or (one.name or "") in self.places:
                return False
            maker = self.makers.get(id(one))
            pending += [] if maker is None else maker.inputs
        return True

    def model(self, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> ir.Model:
        """Finish the graph."""
        nodes = [
            ir.node(
                operation.op,
                inputs=operation.inputs,
                attributes=operation.attributes,
                outputs=operation.outputs,
                name=operation.name,
            )
            for operation in self.operations
        ]
        graph = ir.Graph(
            inputs,
            outputs,
            nodes=nodes,
            initializers=tuple(self.initializers.values()),
            opset_imports={"": OPSET},
            name="prunus",
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="prunus-tensorflow")

    def _initializer(self, name: str, array: NDArray[Any]) -> ir.Value:
        name = self.unique(name)
        tensor = ir.tensor(array, name=name)
        value = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        self.initializers[name] = value
        return value
