"""One rule an operator: how channel ids pass through it. Unknown operators refuse."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from prunus.channel_ids.domain import Domain
from prunus.channel_ids.rules import (
    convolution,
    dense,
    einsum,
    elementwise,
    movement,
    normalization,
    passing,
    recurrent,
    reduction,
    reshaping,
    unpooling,
)

Rule = Callable[[ir.Node, Domain], None]

RULES: dict[str, Rule] = {
    **convolution.RULES,
    **dense.RULES,
    "Einsum": einsum.einsum,
    **elementwise.RULES,
    **movement.RULES,
    **normalization.RULES,
    **passing.RULES,
    **recurrent.RULES,
    **reduction.RULES,
    **reshaping.RULES,
    **unpooling.RULES,
}

EVERY_OUTPUT = frozenset({"Split", "MaxPool", *recurrent.RULES})
"""Operators whose rule says what all their outputs hold; the other rules know the first."""


def refuse(node: ir.Node, domain: Domain) -> None:
    """Default: an unknown operator blocks pruning of everything it touches."""
    passing.block(node, domain, f"feeds '{domain.name(node)}' of unknown type '{node.op_type}'")


def refuse_side_output(node: ir.Node, domain: Domain) -> None:
    """The consumers of a second output may depend on every channel of the data."""
    (value, *_) = side_outputs(node)
    passing.block(node, domain, f"'{domain.name(node)}' gives a second output '{value.name}' too")


def side_outputs(node: ir.Node) -> list[ir.Value]:
    """Outputs behind the first one that something consumes."""
    return [value for value in node.outputs[1:] if value.uses() or value.is_graph_output()]


def rule_for(node: ir.Node) -> Rule:
    """The rule of a node's operator.

    `refuse` where there is none, `refuse_side_output` where outputs are consumed that the rule
    says nothing about.
    """
    rule = RULES.get(node.op_type, refuse) if node.domain in ("", "ai.onnx") else refuse
    if rule is not refuse and node.op_type not in EVERY_OUTPUT and side_outputs(node):
        return refuse_side_output
    return rule
