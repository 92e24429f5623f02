"""From the native graph to the neutral one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs
import onnx_ir as ir

from prunus.plugin import ModelError, Network
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.rules.context import Context
from prunus_tensorflow.graphdef.step_lowering import Lowerer, Shapes, Value
from prunus_tensorflow.graphdef.steps import Steps, needed
from prunus_tensorflow.lower.builder import Builder
from prunus_tensorflow.lower.record import TensorRecord
from prunus_tensorflow.lower.tensors import (
    Dynamic,
)


@attrs.frozen(eq=False)
class Lowering:
    """The network and its native names.

    Attributes:
        network: Network without what its files tell beside the graph.
        builder: Native position of each weight, dropout.
        outputs: Names of graph outputs.
        tensors: Native tensor -> neutral value, permutation and native shape.
    """

    network: Network
    builder: Builder
    outputs: tuple[str, ...]
    tensors: Mapping[str, TensorRecord]


def lower(
    steps: Steps,
    variables: Mapping[str, str],
    value_of: Value,
    shape_of: Shapes,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Sequence[str],
    batches: frozenset[int] = frozenset(),
) -> Lowering:
    """Lower the part of the graph between inputs and outputs.

    Args:
        steps: The native graph at inference.
        variables: Variable node -> checkpoint name.
        value_of: Gives a variable's array by node name.
        shape_of: Gives a tensor's native shape as TensorFlow infers it, -1 for unknown.
        inputs: Native input tensor -> shape (axis 0 is the batch).
        outputs: Native output tensors.
        batches: Batch sizes that the graph fixes.

    Raises:
        ModelError: an output does not depend on any input, or a node is in training mode.
    """
    names = [name for name in needed(steps, outputs, inputs) if name not in inputs]
    uses = Counter(reference for name in names for reference in steps[name].inputs if reference)
    uses.update(outputs)
    blocked: frozenset[str] = frozenset()
    while True:
        context = Context(Builder(), uses, batches, blocked)
        lowerer = Lowerer(steps, variables, value_of, shape_of, context)
        for name, shape in inputs.items():
            lowerer.input(name, shape)
        lowerer.run(names)
        found = frozenset(
            holder for holder, positions in context.builder.users.items() if len(positions) > 1
        )
        if not found or found <= blocked:
            return _finish(lowerer, outputs)
        # One array in two layouts (a tied weight): neither use may be cut, so lower again.
        blocked |= found


def _finish(lowerer: Lowerer, outputs: Sequence[str]) -> Lowering:
    builder = lowerer.context.builder
    results: dict[str, ir.Value] = {}
    for name in [*outputs, *(name for name in lowerer.feeds if name not in outputs)]:
        result = lowerer.env.get(name)
        if not isinstance(result, Dynamic):
            if split(name)[0] in lowerer.barriers:
                continue
            raise ModelError(f"output '{name}' does not depend on the input: give --output_nodes")
        if any(result.value is value for value in builder.inputs):
            continue
        results[name] = _output(builder, name, result)
    if not results:
        reasons = "; ".join(f"'{k}': {v}" for k, v in lowerer.barriers.items())
        raise ModelError(f"nothing between input and output can be pruned ({reasons})")
    for name, reason in lowerer.feeds.items():
        if name in results:
            builder.freeze(results[name], reason)
    for name, reason in lowerer.barriers.items():
        op = lowerer.steps[name].node.op
        builder.notes.append(f"node '{name}' of type '{op}' stays as it is: {reason}")
    tensors = {
        name: TensorRecord(result.value.name or "", result.perm, result.shape)
        for name, result in lowerer.env.items()
        if isinstance(result, Dynamic)
    }
    network = builder.finished(list(results.values()))
    names = tuple(value.name or "" for value in results.values())
    return Lowering(network, builder, names, tensors)


def _output(builder: Builder, name: str, result: Dynamic) -> ir.Value:
    """The tensor in native layout under its own name."""
    if not result.moved and result.value.name == name:
        return result.value
    if result.value.name == name:
        builder.rename(result.value, f"{name}@nchw")
    if result.moved:
        moved = builder.native(result, name).value
        builder.rename(moved, name)
        return moved
    shape = tuple(result.shape)
    return builder.add("Identity", [result.value], name, [shape])[0]
