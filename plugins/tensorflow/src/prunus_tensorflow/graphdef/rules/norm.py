"""Normalisation layers and PReLU: per-channel parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, static, vector
from prunus_tensorflow.graphdef.rules.spatial import (
    channel_axis,
    is_last,
    native_perm,
    to_channels_first,
)
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Unlowerable, channels_first

_ROLES = ("scale", "shift", "mean", "variance")


def fused(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``FusedBatchNorm``, V2 and V3, in inference form.

    Raises:
        ModelError: the node normalises with the statistics of the batch.
    """
    if attr(step.node, "is_training").b or "is_training" not in step.node.attr:
        raise ModelError(
            f"node '{step.name}' ({step.op}) normalises with batch statistics (is_training is "
            "true): export the graph with is_training=False"
        )
    epsilon = float(attr(step.node, "epsilon").f) if "epsilon" in step.node.attr else 1e-4
    last = is_last(step.node)
    return [_normalise(context, step, dynamic(inputs[0]), inputs[1:5], epsilon, last)]


def decomposed(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Batch norm written as Rsqrt, Mul, Sub and Add."""
    x = dynamic(inputs[0])
    epsilon = step.values["epsilon"]
    return [_normalise(context, step, x, inputs[1:5], epsilon, last=True)]


def _normalise(
    context: Context,
    step: Step,
    x: Dynamic,
    parameters: Sequence[Lowered | None],
    epsilon: float,
    last: bool,
) -> Dynamic:
    rank = len(x.shape)
    moved = to_channels_first(context, x, last, step.name) if rank > 2 else x
    channels = x.shape[channel_axis(rank, last) if rank > 2 else 1]
    operands: list[ir.Value] = [moved.value]
    plain = True
    for role, parameter in zip(_ROLES, parameters, strict=True):
        value, stored = _parameter(context, step, role, parameter, channels)
        operands.append(value)
        plain = plain and stored
    perm = native_perm(rank, last) if rank > 2 else x.perm
    (value,) = context.builder.add(
        "BatchNormalization",
        operands,
        step.name,
        [tuple(x.shape[axis] for axis in perm)],
        epsilon=epsilon,
    )
    if not plain:
        context.freeze(
            f"parameters of '{step.name}' are computed by the graph, not stored", x.value, value
        )
    return Dynamic(value, x.shape, perm)


def _parameter(
    context: Context, step: Step, role: str, parameter: Lowered | None, channels: int
) -> tuple[ir.Value, bool]:
    if parameter is None:
        neutral = np.ones(channels) if role == "scale" else np.zeros(channels)
        return context.builder.floats(step.name, role, neutral), True
    known = static(parameter, role)
    if known.array.size != channels:
        raise Unlowerable(f"its {role} has {known.array.size} values for {channels} channels")
    flat = vector(known)
    rank = flat.array.ndim
    return context.weight(step, role, flat, tuple(range(rank)), squeeze=rank - 1)


def prelu(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """PReLU, written as ``relu(x) + alpha * min(0, x)`` in one of its forms."""
    x, slope = dynamic(inputs[0]), static(inputs[1], "slope")
    rank = len(x.shape)
    if slope.array.ndim > rank:
        raise Unlowerable(f"its slope has {slope.array.ndim} axes, its input {rank}")
    perm = x.perm
    if rank > 2 and not x.moved:
        x = context.builder.arrange(x, channels_first(rank), step.name)
        perm = x.perm
    value, plain = context.weight(step, "slope", slope, perm, squeeze=1)
    out = [tuple(x.shape[axis] for axis in perm)]
    (result,) = context.builder.add("PRelu", [x.value, value], step.name, out)
    if not plain:
        context.freeze(f"slopes of '{step.name}' are computed by the graph", x.value, result)
    return [Dynamic(result, x.shape, perm)]


def lrn(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Local response normalisation over the last axis.

    TensorFlow multiplies the window's sum by alpha, ONNX its mean
    (tensorflow/core/kernels/lrn_op.cc).
    """
    x = to_channels_first(context, dynamic(inputs[0]), True, step.name)
    given = step.node.attr
    size = 2 * (int(given["depth_radius"].i) if "depth_radius" in given else 5) + 1
    alpha = given["alpha"].f if "alpha" in given else 1.0
    (value,) = context.builder.add(
        "LRN",
        [x.value],
        step.name,
        [tuple(x.shape[axis] for axis in x.perm)],
        size=size,
        alpha=float(alpha * size),
        beta=float(given["beta"].f if "beta" in given else 0.5),
        bias=float(given["bias"].f if "bias" in given else 1.0),
    )
    return [Dynamic(value, x.shape, x.perm)]


def dropout(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Dropout stays in the native graph and is off in the neutral one."""
    x = dynamic(inputs[0])
    if "ratio" in step.values:
        context.builder.dropout.append((x.value, step.values["ratio"]))
    context.builder.notes.append(f"dropout '{step.name}' stays in the graph and is taken as off")
    return [x]


RULES: dict[str, Rule] = {
    "FusedBatchNorm": fused,
    "FusedBatchNormV2": fused,
    "FusedBatchNormV3": fused,
    "_BatchNorm": decomposed,
    "_PRelu": prelu,
    "LRN": lrn,
    "_Dropout": dropout,
}
