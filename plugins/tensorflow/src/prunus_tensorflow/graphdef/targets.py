"""Numbers in the graph that say a shape: reshape targets, split sizes, slice bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.edits import set_tensor
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.view import GraphView, const_value
from prunus_tensorflow.lower.record import TensorRecord
from prunus_tensorflow.lower.tensors import BATCH

_SAME = ("Identity", "Cast", "Reshape", "ExpandDims", "Squeeze", "StopGradient", "Snapshot")


@attrs.frozen(eq=False)
class ShapeChange:
    """Native shapes of the lowered part before and after.

    Attributes:
        before, after: Native tensor -> shape, ``BATCH`` multiples for the batch.
    """

    before: Mapping[str, tuple[int, ...]]
    after: Mapping[str, tuple[int, ...]]


def shape_change(origin: GraphOrigin, inferred: Mapping[str, tuple[int, ...]]) -> ShapeChange:
    """Native shapes before and after.

    Args:
        origin: Tensors of the lowered part.
        inferred: Compact neutral value -> shape, the batch counted as one.
    """
    before = {name: record.shape for name, record in origin.tensors.items()}
    after = {
        name: _after(record, inferred.get(record.value)) for name, record in origin.tensors.items()
    }
    return ShapeChange(before, after)


def _after(record: TensorRecord, neutral: tuple[int, ...] | None) -> tuple[int, ...]:
    if neutral is None:
        return record.shape
    shape = list(record.shape)
    for size, axis in zip(neutral, record.perm, strict=True):
        if shape[axis] % BATCH or shape[axis] == 0:
            shape[axis] = size
    return tuple(shape)


@attrs.frozen(eq=False)
class TargetEditor:
    """Rewrites the Consts behind shape operands.

    Attributes:
        view: The old graph.
        graph: The new graph, edited in place.
        nodes: Its nodes by name.
        change: Shapes before and after.
    """

    view: GraphView
    graph: Any
    nodes: Mapping[str, Any]
    change: ShapeChange
    wanted: dict[str, tuple[NDArray[Any], str]] = attrs.field(factory=dict)

    def rewrite(self, reference: str, numbers: NDArray[Any], reader: str) -> None:
        """Make a shape operand hold ``numbers``; ``BATCH`` multiples stay as they are.

        Raises:
            ModelError: the number is computed in a way that cannot be changed, or two layers
                that now differ share it.
        """
        node = self.view.producer(reference)
        inputs = self.view.inputs(node)
        if node.op == "Const":
            self._const(node, numbers, reader)
        elif node.op in _SAME:
            self.rewrite(inputs[0], numbers, reader)
        elif node.op == "Pack":
            parts = np.moveaxis(numbers, int(attr(node, "axis").i), 0)
            for one, part in zip(inputs, parts, strict=True):
                self.rewrite(one, np.asarray(part), reader)
        elif node.op == "ConcatV2":
            self._concat(inputs[:-1], numbers, reader)
        # Anything else reads the shape of a tensor and follows by itself; TensorFlow's own
        # shape inference over the written graph finds what does not.

    def _concat(self, inputs: Sequence[str], numbers: NDArray[Any], reader: str) -> None:
        sizes: list[int | None] = []
        for one in inputs:
            value = self.view.constant(one)
            producer = self.view.producer(one)
            width = len(self.view.inputs(producer)) if producer.op == "Pack" else None
            sizes.append(width if value is None else value.size)
        if sizes.count(None) > 1:
            return
        rest = numbers.size - sum(size or 0 for size in sizes)
        start = 0
        for one, size in zip(inputs, sizes, strict=True):
            count = rest if size is None else size
            self.rewrite(one, numbers[start : start + count], reader)
            start += count

    def _const(self, node: Any, numbers: NDArray[Any], reader: str) -> None:
        old = const_value(node)
        if old.size != numbers.size:
            return
        flat = np.asarray(numbers, np.int64).reshape(-1)
        keep = (flat % BATCH == 0) & (flat != 0) | (old.reshape(-1) == -1)
        new = np.where(keep, old.reshape(-1), flat).reshape(old.shape).astype(old.dtype)
        earlier = self.wanted.get(node.name)
        if earlier is not None and not np.array_equal(earlier[0], new):
            raise ModelError(
                f"node '{node.name}' gives one size to '{earlier[1]}' and '{reader}', which now "
                "differ: exclude one of their layers"
            )
        self.wanted[node.name] = (new, reader)
        if not np.array_equal(new, old):
            set_tensor(self.nodes[node.name].attr["value"].tensor, new)

    def forward(self, origin: GraphOrigin, compact: ir.Model) -> None:
        """Rewrite the operands of the lowered part."""
        by_layer = _operands(compact)
        for name in dict.fromkeys(split(tensor)[0] for tensor in origin.tensors):
            node = self.view.nodes[name]
            inputs = self.view.inputs(node)
            if node.op == "Reshape" and name in self.change.after:
                self.rewrite(inputs[1], np.asarray(self.change.after[name], np.int64), name)
            elif node.op == "Conv2DBackpropInput" and name in self.change.after:
                self._output_size(node, inputs[0])
            elif node.op == "Split":
                self._uneven_split(node, by_layer.get((name, "Split")))
            elif node.op == "SplitV" and (name, "Split") in by_layer:
                self.rewrite(inputs[1], by_layer[(name, "Split")][0], name)
            elif node.op in ("GatherV2", "Gather") and (name, "Gather") in by_layer:
                self._indices(node, inputs[1], by_layer[(name, "Gather")][0])
            elif node.op in ("Slice", "StridedSlice") and (name, "Slice") in by_layer:
                perm = origin.tensors[inputs[0]].perm
                self._bounds(node, inputs, by_layer[(name, "Slice")], perm)

    def _output_size(self, node: Any, reference: str) -> None:
        shape = np.asarray(self.change.after[node.name], np.int64)
        value = self.view.constant(reference)
        if value is None or value.size == shape.size:
            self.rewrite(reference, shape, node.name)

    def _uneven_split(self, node: Any, operands: Sequence[NDArray[Any]] | None) -> None:
        """Turn a Split whose parts now differ into a SplitV with a Const for its sizes.

        ``Split(axis, value)`` becomes ``SplitV(value, size_splits, axis)``
        (tensorflow/core/ops/array_ops.cc); int64 sizes need no further attribute.
        """
        if not operands or len(set(operands[0].tolist())) == 1:
            return
        from tensorflow.core.framework import types_pb2
        from tensorflow.python.framework.tensor_util import make_tensor_proto

        name = f"{node.name}/size_splits"
        while name in self.view.nodes:
            name += "_"
        sizes = self.graph.node.add(name=name, op="Const", device=node.device)
        sizes.attr["dtype"].type = types_pb2.DT_INT64
        sizes.attr["value"].tensor.CopyFrom(make_tensor_proto(operands[0].astype(np.int64)))
        changed = self.nodes[node.name]
        axis, value, *rest = changed.input
        changed.op = "SplitV"
        del changed.input[:]
        changed.input.extend([value, name, axis, *rest])

    def _indices(self, node: Any, reference: str, indices: NDArray[Any]) -> None:
        constant = self.view.producer(self.view.source(reference))
        old = self.view.constant(reference)
        if old is None or old.size == indices.size:
            self.rewrite(reference, indices, node.name)
            return
        proto = self.nodes[constant.name].attr["value"].tensor
        del proto.tensor_shape.dim[:]
        proto.tensor_shape.dim.add().size = indices.size
        set_tensor(proto, indices)

    def _bounds(
        self,
        node: Any,
        inputs: Sequence[str],
        operands: Sequence[NDArray[Any]],
        perm: tuple[int, ...],
    ) -> None:
        """Begin and end (or size) of the axes that lost channels."""
        starts, ends, axes = (operand.tolist() for operand in operands[:3])
        before, after = self.change.before[inputs[0]], self.change.after[inputs[0]]
        begin, end = self.view.constant(inputs[1]), self.view.constant(inputs[2])
        masked = attr(node, "ellipsis_mask").i or attr(node, "new_axis_mask").i
        if begin is None or end is None or masked:
            raise ModelError(f"node '{node.name}' ({node.op}) cuts channels in a computed way")
        begin, end = begin.copy(), end.copy()
        for start, stop, axis in zip(starts, ends, axes, strict=True):
            position = perm[axis]
            if before[position] == after[position] or position >= begin.size:
                continue
            if not attr(node, "begin_mask").i >> position & 1:
                begin[position] = start
            if node.op == "Slice":
                end[position] = end[position] if end[position] == -1 else stop - start
            elif not attr(node, "end_mask").i >> position & 1:
                end[position] = stop
        self.rewrite(inputs[1], begin, node.name)
        self.rewrite(inputs[2], end, node.name)


def _operands(model: ir.Model) -> dict[tuple[str, str], list[NDArray[Any]]]:
    """(layer, op) -> integer operands of a neutral node."""
    found = {}
    for node in model.graph:
        arrays = [
            value.const_value.numpy()
            for value in node.inputs[1:]
            if value is not None and value.const_value is not None
        ]
        layer = (node.name or "").rpartition("/")[0]
        found[layer, node.op_type] = arrays
    return found
