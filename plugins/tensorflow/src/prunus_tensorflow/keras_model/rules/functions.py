"""Functions of ``keras.ops`` called between layers: ``x + 3``, ``x * y``, ``ops.relu(x)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prunus_tensorflow.keras_model.rules.activation import FUNCTIONS, clip, softmax
from prunus_tensorflow.keras_model.rules.context import Site
from prunus_tensorflow.keras_model.rules.merging import concatenate, elementwise
from prunus_tensorflow.keras_model.rules.reshaping import reshaped, transposed
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable

_BINARY = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "TrueDivide": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
}
_UNARY = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "Selu": "selu",
    "Exp": "exponential",
}


def binary(site: Site) -> Dynamic:
    """Two operands, one of them possibly a plain number."""
    op = _BINARY[type(site.layer).__name__]
    operands = list(site.arguments)[:2]
    tensors = [one for one in operands if isinstance(one, Dynamic)]
    if len(operands) != 2 or not tensors:
        raise Unlowerable("it does not combine two values")
    if len(tensors) == 2:
        if len(tensors[0].shape) != len(tensors[1].shape):
            raise Unlowerable("its operands have different numbers of axes")
        return elementwise(op)(site, tensors)
    x = tensors[0]
    number = np.asarray(next(one for one in operands if one is not x), np.float32)
    if number.size != 1:
        raise Unlowerable("it combines channels with an array written into the graph")
    constant = site.constant("operand", number.reshape(()))
    if operands[0] is x:
        return site.same(op, x, constant)
    return site.emit(op, [constant, x.value], x.shape, x.perm)


def unary(site: Site) -> Dynamic:
    """An activation function."""
    return FUNCTIONS[_UNARY[type(site.layer).__name__]](site, site.arguments[0])


def soft(site: Site) -> Dynamic:
    """``ops.softmax``."""
    return softmax(site, site.arguments[0], int(getattr(site.layer, "axis", -1)))


_PLAIN = {"Absolute": "Abs", "Negative": "Neg", "Sqrt": "Sqrt", "Log": "Log", "Erf": "Erf"}
_REDUCED = {"Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin"}


def plain(site: Site) -> Dynamic:
    """A function of one value that is one operator."""
    return site.same(_PLAIN[type(site.layer).__name__], site.arguments[0])


def square(site: Site) -> Dynamic:
    """``ops.square``."""
    x = site.arguments[0]
    return site.same("Mul", x, x.value)


def leaky(site: Site) -> Dynamic:
    """``ops.leaky_relu``."""
    return site.same("LeakyRelu", site.arguments[0], alpha=float(site.layer.negative_slope))


def elu(site: Site) -> Dynamic:
    """``ops.elu``."""
    return site.same("Elu", site.arguments[0], alpha=float(site.layer.alpha))


def gelu(site: Site) -> Dynamic:
    """``ops.gelu``; the approximation by tanh has no rule."""
    if site.layer.approximate:
        raise Unlowerable("it is the approximation by tanh")
    return FUNCTIONS["gelu"](site, site.arguments[0])


def clipped(site: Site) -> Dynamic:
    """``ops.clip`` between two numbers."""
    bounds = (site.layer.x_min, site.layer.x_max)
    if not all(isinstance(bound, int | float) for bound in bounds):
        raise Unlowerable("its bounds are no plain numbers")
    return clip(site, site.arguments[0], *(float(bound) for bound in bounds))


def reduced(site: Site) -> Dynamic:
    """``ops.mean``, ``max``, ``min`` over axes besides the batch's."""
    layer, x = site.layer, site.arguments[0]
    rank = len(x.shape)
    chosen = range(rank) if layer.axis is None else np.atleast_1d(layer.axis)
    axes = sorted({int(axis) % rank for axis in chosen})
    if 0 in axes or getattr(layer, "initial", None) is not None:
        raise Unlowerable("it runs over the batch, or has an initial value")
    op = _REDUCED[type(layer).__name__]
    positions = [x.perm.index(axis) for axis in axes]
    if layer.keepdims:
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
        return site.emit(op, [x.value], shape, x.perm, axes=positions, keepdims=1)
    rest = [axis for axis in range(rank) if axis not in axes]
    perm = [rest.index(axis) for axis in x.perm if axis in rest]
    shape = tuple(x.shape[axis] for axis in rest)
    return site.emit(op, [x.value], shape, perm, axes=positions, keepdims=0)


def reshape(site: Site) -> Dynamic:
    """``ops.reshape`` that leaves the batch alone."""
    target = list(site.layer.newshape)
    if target[0] not in (-1, None) or any(size is None for size in target[1:]):
        raise Unlowerable(f"it moves numbers to {target}, between samples")
    return reshaped(site, site.arguments[0], target[1:])


def transpose(site: Site) -> Dynamic:
    """``ops.transpose`` that leaves the batch alone."""
    axes = site.layer.axes
    if axes is None or int(axes[0]) != 0:
        raise Unlowerable("it moves the batch")
    return transposed(site, site.arguments[0], [int(axis) for axis in axes])


def joined(site: Site) -> Dynamic:
    """``ops.concatenate``."""
    return concatenate(site, [one for one in site.arguments if isinstance(one, Dynamic)])


FUNCTION_RULES: dict[str, Callable[[Site], Any]] = {
    **dict.fromkeys(_BINARY, binary),
    **dict.fromkeys(_UNARY, unary),
    **dict.fromkeys(_PLAIN, plain),
    **dict.fromkeys(_REDUCED, reduced),
    "Clip": clipped,
    "Concatenate": joined,
    "Elu": elu,
    "Gelu": gelu,
    "LeakyRelu": leaky,
    "Reshape": reshape,
    "Softmax": soft,
    "Square": square,
    "Transpose": transpose,
}
