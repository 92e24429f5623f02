"""Activations and arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, static
from prunus_tensorflow.graphdef.rules.conv import bias_add
from prunus_tensorflow.graphdef.rules.spatial import is_last
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Static, Unlowerable

_UNARY: dict[str, tuple[str, dict[str, float]]] = {
    "Relu": ("Relu", {}),
    "Elu": ("Elu", {"alpha": 1.0}),
    "Selu": ("Selu", {}),
    "Sigmoid": ("Sigmoid", {}),
    "Tanh": ("Tanh", {}),
    "Softplus": ("Softplus", {}),
    "Softsign": ("Softsign", {}),
    "Exp": ("Exp", {}),
    "Log": ("Log", {}),
    "Sqrt": ("Sqrt", {}),
    "Abs": ("Abs", {}),
    "Neg": ("Neg", {}),
    "Erf": ("Erf", {}),
    "Reciprocal": ("Reciprocal", {}),
    "Inv": ("Reciprocal", {}),
}
_BINARY = {
    "Add": "Add",
    "AddV2": "Add",
    "BiasAdd": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "Div",
    "RealDiv": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Pow": "Pow",
}
_ROLES = {"Mul": "scale", "Div": "scale", "Add": "shift", "Sub": "shift"}


def _append(
    context: Context, step: Step, x: Dynamic, op: str, *others: ir.Value, **attributes: Any
) -> Dynamic:
    shape = tuple(x.shape[axis] for axis in x.perm)
    (value,) = context.builder.add(op, [x.value, *others], step.name, [shape], **attributes)
    return Dynamic(value, x.shape, x.perm)


def unary(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """One ONNX op of the same meaning."""
    op, attributes = _UNARY[step.op]
    return [_append(context, step, dynamic(inputs[0]), op, **attributes)]


def passing(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Identity, StopGradient, Cast to float: nothing to compute."""
    if step.op == "Cast" and attr(step.node, "DstT").type not in (1, 2, 14, 19):
        raise Unlowerable("it casts to a type that is not floating point")
    return [inputs[0]]


def identity_n(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """IdentityN: every input, as it is (custom gradients of swish and its like)."""
    return list(inputs)


def erfc(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """1 - erf(x), which Keras uses in its exact GELU."""
    inner = _append(context, step, dynamic(inputs[0]), "Erf")
    context.builder.rename(inner.value, f"{step.name}@erf")
    one = context.builder.floats(step.name, "one", np.ones((), np.float32))
    shape = tuple(inner.shape[axis] for axis in inner.perm)
    (value,) = context.builder.add("Sub", [one, inner.value], step.name, [shape])
    return [Dynamic(value, inner.shape, inner.perm)]


def relu6(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Clip to 0…6."""
    return [_clip(context, step, dynamic(inputs[0]), 0.0, 6.0)]


def clip_by_value(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Clip between two known numbers."""
    low, high = (static(one, "bound").array for one in inputs[1:3])
    if low.size != 1 or high.size != 1:
        raise Unlowerable("its bounds are not single numbers")
    return [_clip(context, step, dynamic(inputs[0]), float(low), float(high))]


def _clip(context: Context, step: Step, x: Dynamic, low: float, high: float) -> Dynamic:
    bounds = [
        context.builder.floats(step.name, role, np.asarray(value, np.float32))
        for role, value in (("min", low), ("max", high))
    ]
    return _append(context, step, x, "Clip", *bounds)


def leaky(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``LeakyRelu`` op (default alpha 0.2) or its ``max(x, alpha x)`` form."""
    alpha = step.values.get("alpha")
    if alpha is None:
        alpha = float(attr(step.node, "alpha").f) if "alpha" in step.node.attr else 0.2
    return [_append(context, step, dynamic(inputs[0]), "LeakyRelu", alpha=alpha)]


def square(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """X * x."""
    x = dynamic(inputs[0])
    return [_append(context, step, x, "Mul", x.value)]


def rsqrt(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """1 / sqrt(x)."""
    root = _append(context, step, dynamic(inputs[0]), "Sqrt")
    context.builder.rename(root.value, f"{step.name}@sqrt")
    return [_append(context, step, root, "Reciprocal")]


def squared_difference(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """(x - y) * (x - y)."""
    difference = _combine(context, step, inputs[0], inputs[1], "Sub")
    context.builder.rename(difference.value, f"{step.name}@difference")
    return [_append(context, step, difference, "Mul", difference.value)]


def softmax(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Softmax over the last native axis."""
    x = dynamic(inputs[0])
    op = "Softmax" if step.op == "Softmax" else "LogSoftmax"
    return [_append(context, step, x, op, axis=x.axis(-1))]


def binary(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Two operands, broadcast as numpy does; a bias goes into the layer before it."""
    if step.op in ("Add", "AddV2", "BiasAdd"):
        pairs = [inputs] if step.op == "BiasAdd" else [inputs, inputs[::-1]]
        for position, pair in enumerate(pairs):
            names = step.inputs[::-1] if position else step.inputs
            turned = Step(step.name, step.op, tuple(names), step.node)
            joined = bias_add(context, turned, pair)
            if joined is not None:
                return joined
    return [_combine(context, step, inputs[0], inputs[1], _BINARY[step.op])]


def add_n(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """Sum of any number of tensors of one shape."""
    terms = [dynamic(one) for one in inputs]
    perm = _common(terms)
    first, *rest = [context.builder.arrange(term, perm, step.name) for term in terms]
    return [_append(context, step, first, "Sum", *(one.value for one in rest))]


def _common(terms: Sequence[Dynamic]) -> tuple[int, ...]:
    moved = [term.perm for term in terms if term.moved]
    return moved[0] if moved else terms[0].perm


def _combine(context: Context, step: Step, left: Lowered, right: Lowered, op: str) -> Dynamic:
    if isinstance(left, Dynamic) and isinstance(right, Dynamic):
        if len(left.shape) == len(right.shape):
            perm = _common((left, right))
            left, right = (context.builder.arrange(x, perm, step.name) for x in (left, right))
        else:
            left, right = (context.builder.native(x, step.name) for x in (left, right))
        longer = left if len(left.shape) >= len(right.shape) else right
        operands = [left.value, right.value]
        perm, shape = longer.perm, _broadcast(left.shape, right.shape)
    else:
        stored, x = (right, left) if isinstance(left, Dynamic) else (left, right)
        x = dynamic(x)
        value, perm, shape = _stored(context, step, x, stored, op)
        operands = [x.value, value] if isinstance(left, Dynamic) else [value, x.value]
    out = [tuple(shape[axis] for axis in perm)]
    (result,) = context.builder.add(op, operands, step.name, out)
    return Dynamic(result, shape, perm)


def _stored(
    context: Context, step: Step, x: Dynamic, stored: Lowered, op: str
) -> tuple[ir.Value, tuple[int, ...], tuple[int, ...]]:
    """A known operand beside ``x``: its value, and the result's perm and shape."""
    known = static(stored, "operand")
    rank = len(x.shape)
    if known.array.ndim > rank:
        raise Unlowerable(f"its known operand has {known.array.ndim} axes, the other {rank}")
    if step.op == "BiasAdd" and not is_last(step.node):
        known = Static(known.array.reshape(-1, *(1,) * (rank - 2)), known.holder, known.shape)
    shape = _broadcast(x.shape, known.array.shape)
    scalar = known.array.size == 1
    if scalar and (known.holder is None or known.holder.kind == "const"):
        number = known.array.reshape(()).astype(np.float32)
        return context.builder.floats(step.name, "constant", number), x.perm, shape
    value, plain = context.weight(step, _ROLES.get(op, "slope"), known, x.perm)
    if not plain:
        context.freeze(f"operand of '{step.name}' is computed by the graph", x.value)
    return value, x.perm, shape


def _broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in np.broadcast_shapes(left, right))
    except ValueError as error:
        raise Unlowerable(f"shapes {left} and {right} do not broadcast") from error


RULES: dict[str, Rule] = {
    **dict.fromkeys(_UNARY, unary),
    **dict.fromkeys(_BINARY, binary),
    **dict.fromkeys(
        (
            "Identity",
            "StopGradient",
            "PreventGradient",
            "Snapshot",
            "CheckNumerics",
            "EnsureShape",
            "PlaceholderWithDefault",
            "Cast",
        ),
        passing,
    ),
    "IdentityN": identity_n,
    "Erfc": erfc,
    "Relu6": relu6,
    "ClipByValue": clip_by_value,
    "LeakyRelu": leaky,
    "_LeakyRelu": leaky,
    "Square": square,
    "Rsqrt": rsqrt,
    "SquaredDifference": squared_difference,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "AddN": add_n,
}
