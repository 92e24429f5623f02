"""Attributes of a user's own parts that say sizes: ``num_heads``, ``head_dim``, ``c``.

A forward reshapes by them: ``x.reshape(n, length, 3, self.num_heads, self.head_dim)``. Where a
target that such a part makes has another number in the compact graph, the attributes that had the
old number get the new one. Whether that is what the code means is tried (`protect`).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import onnx_ir as ir
from torch import nn


@attrs.frozen
class Target:
    """Sizes that a part of a module reshapes to.

    Attributes:
        part: Its name.
        sizes: The target; 0 and -1 say no size.
    """

    part: str
    sizes: tuple[int, ...]


def targets_of(model: ir.Model, parts: Mapping[str, str]) -> dict[str, Target]:
    """Name of a Reshape with constant sizes -> its target.

    Args:
        model: The neutral graph.
        parts: Name of a node -> innermost part of the module that ran it.
    """
    found = {}
    for node in model.graph:
        sizes, name = _sizes(node), node.name or ""
        if sizes and name in parts:
            found[name] = Target(parts[name], sizes)
    return found


def own_numbers(
    module: nn.Module, before: Mapping[str, Target], compact: ir.Model
) -> dict[str, dict[str, int]]:
    """Part -> attribute -> its new number.

    Args:
        module: The whole module.
        before: Targets of its graph.
        compact: The smaller graph.
    """
    changes: dict[str, dict[int, set[int]]] = {}
    for node in compact.graph:
        target = before.get(node.name or "")
        if target is None:
            continue
        for old, new in zip(target.sizes, _sizes(node), strict=True):
            if old != new and min(old, new) > 0:
                changes.setdefault(target.part, {}).setdefault(old, set()).add(new)
    return {
        part: numbers
        for part, changed in changes.items()
        if (numbers := _changed(module.get_submodule(part), changed))
    }


def _changed(part: nn.Module, changed: Mapping[int, set[int]]) -> dict[str, int]:
    """Attributes with an old number that became one new number; torch's own parts have none."""
    if type(part).__module__.startswith("torch."):
        return {}
    return {
        name: min(changed[value])
        for name, value in vars(part).items()
        if type(value) is int and len(changed.get(value, ())) == 1
    }


def _sizes(node: ir.Node) -> tuple[int, ...]:
    operand = node.inputs[1] if node.op_type == "Reshape" else None
    if operand is None or operand.const_value is None:
        return ()
    return tuple(int(size) for size in operand.const_value.numpy())
