"""The operators of the neutral graph as differentiable torch functions, by ONNX's semantics."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prunus_torch.operators import (
    activation,
    convolution,
    dense,
    elementwise,
    movement,
    normalization,
    pooling,
    recurrent,
    reduction,
    reshaping,
    resize,
)
from prunus_torch.operators.node import Builder, Node, Operation

TABLE: Mapping[str, Builder] = MappingProxyType(
    activation.BUILDERS
    | convolution.BUILDERS
    | dense.BUILDERS
    | elementwise.BUILDERS
    | movement.BUILDERS
    | normalization.BUILDERS
    | pooling.BUILDERS
    | recurrent.BUILDERS
    | reduction.BUILDERS
    | reshaping.BUILDERS
    | resize.BUILDERS
)
"""Operator type -> function that prepares one node."""

__all__ = ["TABLE", "Builder", "Node", "Operation"]
