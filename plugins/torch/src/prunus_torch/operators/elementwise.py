"""Arithmetic, comparison and choice with broadcasting."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from prunus_torch.operators.node import Builder, Node, Operation, plain

_DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
}
"""ONNX's ``TensorProto.DataType`` numbers."""


def _div(a: Tensor, b: Tensor) -> Tensor:
    if a.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


def _sum(*terms: Tensor) -> Tensor:
    return reduce(torch.add, terms)


def _mean(*terms: Tensor) -> Tensor:
    return reduce(torch.add, terms) / len(terms)


def _max(*terms: Tensor) -> Tensor:
    return reduce(torch.maximum, terms)


def _min(*terms: Tensor) -> Tensor:
    return reduce(torch.minimum, terms)


def _pow(node: Node) -> Operation:
    exponent = node.constant(1)
    if exponent is not None and exponent.size == 1:
        number = float(exponent.reshape(-1)[0])
        return lambda x, _: torch.pow(x, number)
    return torch.pow


def _cast(node: Node) -> Operation:
    number = int(node.get("to"))
    if number not in _DTYPES:
        raise node.refuse(f"element type {number}")
    dtype = _DTYPES[number]
    return lambda x: x.to(dtype)


def _is_infinite(node: Node) -> Operation:
    above, below = bool(node.get("detect_positive", 1)), bool(node.get("detect_negative", 1))
    return lambda x: torch.isposinf(x) & above | torch.isneginf(x) & below


BUILDERS: dict[str, Builder] = {
    "Abs": plain(torch.abs),
    "Add": plain(torch.add),
    "Cast": _cast,
    "CastLike": plain(lambda x, like: x.to(like.dtype)),
    "Ceil": plain(torch.ceil),
    "Cos": plain(torch.cos),
    "Div": plain(_div),
    "Equal": plain(torch.eq),
    "Erf": plain(torch.erf),
    "Exp": plain(torch.exp),
    "Floor": plain(torch.floor),
    "Greater": plain(torch.gt),
    "GreaterOrEqual": plain(torch.ge),
    "Identity": plain(lambda x: x),
    "IsInf": _is_infinite,
    "IsNaN": plain(torch.isnan),
    "Less": plain(torch.lt),
    "LessOrEqual": plain(torch.le),
    "Log": plain(torch.log),
    "Max": plain(_max),
    "Mean": plain(_mean),
    "Min": plain(_min),
    "Mul": plain(torch.mul),
    "Neg": plain(torch.neg),
    "Not": plain(torch.logical_not),
    "Pow": _pow,
    "Reciprocal": plain(torch.reciprocal),
    "Sign": plain(torch.sign),
    "Sin": plain(torch.sin),
    "Sqrt": plain(torch.sqrt),
    "Sub": plain(torch.sub),
    "Sum": plain(_sum),
    "Where": plain(torch.where),
}
