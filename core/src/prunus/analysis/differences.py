"""The first weight behind a group, for all trials at the cost of about one.

A consumer is linear: with kept channels K_r, replaced ones at their mean m,

    y_r = W (x on K_r, m elsewhere) + b = y - sum over removed c of W_c (x_c - m_c).

Trials remove nested sets, so the sum of trial r is that of trial r - 1 and the channels
removed in addition: every channel passes the weight once, not once a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.analysis.suffix import consumers, keep_tensor, products
from prunus.evaluation.session import Held, Session
from prunus.graph.reading import reads
from prunus.grouping.find import Grouping
from prunus.groups import Group
from prunus.task import Array

_INPUT_AXIS = {"Conv": 1, "ConvTranspose": 0, "MatMul": 0}


@attrs.frozen(eq=False)
class DirectConsumer:
    """A weight that reads a group and depends on no other consumer of it.

    Attributes:
        node: Its node.
        data: Value it reads.
        weight: Initializer it reads with.
        output: Value it makes.
        axis: Axis of ``data`` that runs over channels.
        weight_axis: Input axis of the weight.
        blocks: Channels removed in addition by each trial, one array a trial.
    """

    node: str
    data: str
    weight: str
    output: str
    axis: int
    weight_axis: int
    blocks: tuple[NDArray[np.int64], ...]


def direct_consumers(
    model: ir.Model,
    grouping: Grouping,
    group: Group,
    trials: Sequence[tuple[float, NDArray[np.bool_]]],
) -> tuple[DirectConsumer, ...]:
    """Consumers the formula holds for; none where trials are not nested."""
    keeps = [keep for _, keep in trials]
    if not keeps or any((later & ~earlier).any() for earlier, later in pairwise(keeps)):
        return ()
    names = set(consumers(grouping, group))
    reading = names | set(products(grouping, group))
    behind: set[int] = set()
    found = []
    for node in model.graph:
        depends = any(id(value) in behind for _, _, value in reads(node))
        if depends or node.name in reading:
            behind |= {id(value) for value in node.outputs}
        if node.name in names and not depends:
            consumer = _consumer(grouping, group, node, keeps)
            if consumer is not None:
                found.append(consumer)
    return tuple(found)


def _consumer(
    grouping: Grouping, group: Group, node: ir.Node, keeps: Sequence[NDArray[np.bool_]]
) -> DirectConsumer | None:
    data, weight = node.inputs[0], node.inputs[1]
    assert data is not None
    assert weight is not None
    if node.attributes.get_int("group", 1) != 1:
        return None
    labels = grouping.labelling.values[data.name or ""]
    varying = [axis for axis, size in enumerate(labels.shape) if size > 1]
    if len(varying) != 1:
        return None
    removed = [keep_tensor(grouping, group, data.name or "", keep).ravel() == 0 for keep in keeps]
    before = [np.zeros_like(removed[0]), *removed[:-1]]
    blocks = tuple(np.flatnonzero(now & ~old) for now, old in zip(removed, before, strict=True))
    if node.op_type == "Gemm":
        weight_axis = 1 if node.attributes.get_int("transB", 0) == 1 else 0
    else:
        weight_axis = _INPUT_AXIS[node.op_type]
    return DirectConsumer(
        node.name or "",
        data.name or "",
        weight.name or "",
        node.outputs[0].name or "",
        varying[0],
        weight_axis,
        blocks,
    )


class Differences:
    """Outputs of direct consumers for every trial."""

    def __init__(
        self, model: ir.Model, direct: Sequence[DirectConsumer], means: Mapping[str, Array]
    ) -> None:
        self._direct = tuple(direct)
        nodes = {node.name: node for node in model.graph}
        inputs: dict[str, ir.Value] = {}
        made: list[ir.Node] = []
        initializers: list[ir.Value] = []
        outputs: list[ir.Value] = []
        for consumer in direct:
            data = inputs.setdefault(consumer.data, _value(consumer.data))
            whole = inputs.setdefault(consumer.output, _value(consumer.output))
            chain = _Chain(nodes[consumer.node], consumer, data, whole, means[consumer.data])
            made += chain.nodes
            initializers += chain.initializers
            outputs += chain.outputs
        for value in outputs:
            value.type = ir.TensorType(ir.DataType.FLOAT)
        graph = ir.Graph(
            list(inputs.values()),
            outputs,
            nodes=made,
            initializers=initializers,
            opset_imports=dict(model.graph.opset_imports),
            name="differences",
        )
        self._inputs = tuple(inputs)
        self._session = Session(ir.Model(graph, ir_version=model.ir_version), arena=False)

    def run(self, values: Mapping[str, Array | Held]) -> list[dict[str, Held]]:
        """Trial after trial: consumer output name -> ``(N, ...)``."""
        found = self._session.hold({name: values[name] for name in self._inputs})
        trials = len(self._direct[0].blocks)
        return [
            {consumer.output: found[_output(consumer, trial)] for consumer in self._direct}
            for trial in range(trials)
        ]


class _Chain:
    """Nodes that take one consumer's removed channels from its output, trial by trial."""

    def __init__(
        self, node: ir.Node, consumer: DirectConsumer, data: ir.Value, whole: ir.Value, mean: Array
    ) -> None:
        self.nodes: list[ir.Node] = []
        self.initializers: list[ir.Value] = []
        self.outputs: list[ir.Value] = []
        weight = node.inputs[1]
        assert weight is not None
        assert weight.const_value is not None
        array = weight.const_value.numpy()
        left = whole
        for trial, block in enumerate(consumer.blocks):
            name = _output(consumer, trial)
            chosen = self._add(
                "Gather", [data, self._constant(f"{name}/index", block)], axis=consumer.axis
            )
            rest = self._constant(f"{name}/mean", np.take(mean, block, consumer.axis))
            centred = self._add("Sub", [chosen, rest])
            # negated, because ONNX Runtime fuses a convolution with an addition behind it only
            part = self._constant(f"{name}/weight", -np.take(array, block, consumer.weight_axis))
            attributes = dict(node.attributes)
            call = ir.Node("", node.op_type, [centred, part], attributes.values(), num_outputs=1)
            self.nodes.append(call)
            left = self._add("Add", [left, call.outputs[0]])
            left.name = name
            self.outputs.append(left)

    def _add(self, operator: str, inputs: Sequence[ir.Value], **attributes: Any) -> ir.Value:
        node = ir.node(operator, inputs, attributes=attributes or None)
        self.nodes.append(node)
        return node.outputs[0]

    def _constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        value = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            const_value=ir.Tensor(np.asarray(array, order="C"), name=name),
        )
        self.initializers.append(value)
        return value


def _value(name: str) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT))


def _output(consumer: DirectConsumer, trial: int) -> str:
    return f"{consumer.output}:{trial}"
