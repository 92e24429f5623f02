"""The neutral graph under construction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import GraphBuilder, ModelError, Network
from prunus_tensorflow.detect import FORMAT
from prunus_tensorflow.lower.position import Position
from prunus_tensorflow.lower.tensors import Dynamic, Static, symbolic


class Builder(GraphBuilder):
    """The graph with what write-back needs of each weight, and values in native or neutral order.

    Attributes:
        positions: Initializer name -> where it lies natively (bound ones only).
        dropout: Value -> drop ratio.
        users: Native holder -> the positions it was used at; more than one is a conflict.
    """

    def __init__(self) -> None:
        super().__init__()
        self.positions: dict[str, Position] = {}
        self.dropout: list[tuple[ir.Value, float]] = []
        self.users: dict[str, set[Position]] = {}
        self._by_position: dict[Position, ir.Value] = {}
        self._transposed: dict[tuple[int, tuple[int, ...]], ir.Value] = {}

    def add(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        layer: str,
        shapes: Sequence[tuple[int, ...]],
        names: Sequence[str] = (),
        **attributes: Any,
    ) -> tuple[ir.Value, ...]:
        """Add a node ``<layer>/<op>`` with one output for each of ``shapes`` (neutral order)."""
        names = names or [layer if i == 0 else f"{layer}:{i}" for i in range(len(shapes))]
        sizes = [symbolic(shape) for shape in shapes]
        name = f"{layer}/{op}"
        return self.nodes(layer, op, inputs, attributes, shapes=sizes, name=name, outputs=names)

    def integers(self, layer: str, role: str, values: Sequence[int]) -> ir.Value:
        """An int64 shape operand of its own."""
        return self.constant(f"{layer}/{role}", np.asarray(values, np.int64))

    def floats(self, layer: str, role: str, array: NDArray[Any]) -> ir.Value:
        """An unbound float initializer."""
        return self.constant(f"{layer}/{role}", np.asarray(array, np.float32))

    def parameter(self, layer: str, role: str, static: Static, position: Position) -> ir.Value:
        """A bound initializer; the same position twice is one initializer (shared weights).

        Raises:
            ModelError: it holds NaN or infinite numbers.
        """
        self.users.setdefault(position.holder.node, set()).add(position)
        existing = self._by_position.get(position)
        if existing is not None:
            return existing
        native = static.array.reshape(position.shape)
        array = np.ascontiguousarray(position.to_neutral(native), np.float32)
        if not np.isfinite(array).all():
            raise ModelError(f"layer '{layer}': its {role} holds values that are not finite")
        value = self._by_position[position] = self.weight(layer, role, array, position.holder.key)
        self.positions[value.name or ""] = position
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
            if id(one) in opaque or (one.name or "") in self.positions:
                return False
            maker = one.producer()
            pending += [] if maker is None else [x for x in maker.inputs if x is not None]
        return True

    def finished(self, outputs: Sequence[ir.Value]) -> Network:
        """The network; from now on `positions` and `dropout` hold what is part of it."""
        network = self.network(FORMAT, outputs)
        self.positions = {
            n: position for n, position in self.positions.items() if n in network.bindings
        }
        made = {id(value) for node in network.model.graph for value in node.outputs}
        self.dropout = [(value, ratio) for value, ratio in self.dropout if id(value) in made]
        return network
