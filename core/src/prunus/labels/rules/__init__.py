"""One rule an operator: how labels pass through it. Unknown operators refuse."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from prunus.labels.domain import Domain
from prunus.labels.rules import (
    convolution,
    dense,
    elementwise,
    movement,
    normalization,
    passing,
    reduction,
    reshaping,
)

Rule = Callable[[ir.Node, Domain], None]

RULES: dict[str, Rule] = {
    **convolution.RULES,
    **dense.RULES,
    **elementwise.RULES,
    **movement.RULES,
    **normalization.RULES,
    **passing.RULES,
    **reduction.RULES,
    **reshaping.RULES,
}


def refuse(node: ir.Node, domain: Domain) -> None:
    """Default: an unknown operator blocks pruning of everything it touches."""
    passing.block(node, domain, f"feeds '{domain.name(node)}' of unknown type '{node.op_type}'")


def rule_for(node: ir.Node) -> Rule:
    """The rule of a node's operator; `refuse` where there is none."""
    return RULES.get(node.op_type, refuse) if node.domain in ("", "ai.onnx") else refuse
