"""Functions of ``keras.ops`` called between layers: ``x + 3``, ``x * y``, ``ops.relu(x)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prunus_tensorflow.graphdef.tensors import Dynamic, Unlowerable
from prunus_tensorflow.keras_.layers.activation import FUNCTIONS, softmax
from prunus_tensorflow.keras_.layers.merging import elementwise
from prunus_tensorflow.keras_.site import Site

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


FUNCTION_RULES: dict[str, Callable[[Site], Any]] = {
    **dict.fromkeys(_BINARY, binary),
    **dict.fromkeys(_UNARY, unary),
    "Softmax": soft,
}
