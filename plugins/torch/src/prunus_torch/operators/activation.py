"""Activations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.node import Builder, Node, Operation, plain


def _leaky_relu(node: Node) -> Operation:
    alpha = node.get("alpha", 0.01)
    return lambda x: functional.leaky_relu(x, alpha)


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    channels = x.shape[1] if x.ndim > 1 else 0
    if slope.numel() == 1 or (
        slope.numel() == channels and slope.shape == (channels, *(1,) * (x.ndim - 2))
    ):
        return functional.prelu(x, slope.reshape(-1))
    return torch.where(x >= 0, x, x * slope)


def _clip(node: Node) -> Operation:
    low, high = node.number(1, "min", None), node.number(2, "max", None)
    if low is None and high is None:
        return lambda x, *_: x
    return lambda x, *_: torch.clamp(x, low, high)


def _elu(node: Node) -> Operation:
    alpha = node.get("alpha", 1.0)
    return lambda x: functional.elu(x, alpha)


def _selu(node: Node) -> Operation:
    alpha = node.get("alpha", 1.67326319217681884765625)
    gamma = node.get("gamma", 1.05070102214813232421875)
    return lambda x: functional.elu(x, alpha) * gamma


def _hard_sigmoid(node: Node) -> Operation:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    return lambda x: torch.clamp(x * alpha + beta, 0, 1)


def _gelu(node: Node) -> Operation:
    approximate = node.get("approximate", "none")
    return lambda x: functional.gelu(x, approximate=approximate)


def _softmax(node: Node) -> Operation:
    axis = node.get("axis", -1)
    return lambda x: torch.softmax(x, axis)


def _log_softmax(node: Node) -> Operation:
    axis = node.get("axis", -1)
    return lambda x: torch.log_softmax(x, axis)


BUILDERS: dict[str, Builder] = {
    "Clip": _clip,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": plain(functional.hardswish),
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _log_softmax,
    "Mish": plain(functional.mish),
    "PRelu": plain(_prelu),
    "Relu": plain(torch.relu),
    "Selu": _selu,
    "Sigmoid": plain(torch.sigmoid),
    "Softmax": _softmax,
    "Softplus": plain(functional.softplus),
    "Softsign": plain(functional.softsign),
    "Tanh": plain(torch.tanh),
}
