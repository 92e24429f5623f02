"""Einsum of two computed values: a product whose axes have names."""

from __future__ import annotations

import re

import onnx_ir as ir

from prunus.channel_ids.domain import Domain
from prunus.channel_ids.rules.passing import block
from prunus.channel_ids.rules.product import Side, multiplied

_TERMS = re.compile(r"([A-Za-z]+),([A-Za-z]+)->([A-Za-z]+)")

_NONE = ("<", ">")
"""Letters of a row or a column that an operand does not have."""


def einsum(node: ir.Node, domain: Domain) -> None:
    """``bhqd,bhkd->bhqk`` and its like: one axis is summed over, at most one passes of each."""
    terms = _TERMS.fullmatch(node.attributes.get_string("equation", "").replace(" ", ""))
    axes = None if terms is None else _axes(*terms.groups())
    if terms is None or axes is None or any(domain.spread(v) is None for v in node.inputs):
        block(node, domain, f"feeds '{domain.name(node)}', a sum that is no product of matrices")
        return
    heads, left, right, summed = axes
    sides = []
    for value, term, matrix, sums in (
        (node.inputs[0], terms[1], left + summed, -1),
        (node.inputs[1], terms[2], summed + right, -2),
    ):
        assert value is not None
        order = [term.find(letter) for letter in heads + matrix]
        sides.append(Side.of(domain, value, order, sums))
    found = multiplied(node, domain, *sides)
    if found is not None:
        made = heads + left + right
        order = [made.index(letter) for letter in terms[3]]
        rest = [axis for axis, letter in enumerate(made) if letter in _NONE]
        moved = found.transpose([*order, *rest])
        domain.set(node.outputs[0], moved.reshape(moved.shape[: len(order)]))


def _axes(first: str, second: str, result: str) -> tuple[str, str, str, str] | None:
    """Letters of the heads, the rows, the columns and what is summed; ``None`` for other sums."""
    if any(len(set(term)) < len(term) for term in (first, second, result)):
        return None
    heads = "".join(letter for letter in result if letter in first and letter in second)
    left = "".join(letter for letter in result if letter in first and letter not in second)
    right = "".join(letter for letter in result if letter in second and letter not in first)
    summed = "".join(letter for letter in first if letter in second and letter not in result)
    alone = {*first, *second} - {*heads, *left, *right, *summed}
    if alone or len(summed) != 1 or len(left) > 1 or len(right) > 1:
        return None
    return heads, left or _NONE[0], right or _NONE[1], summed
