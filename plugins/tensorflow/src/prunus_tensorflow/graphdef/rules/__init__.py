"""Lowering rules, one function an op family."""

from __future__ import annotations

from prunus_tensorflow.graphdef.rules import (
    conv,
    dense,
    elementwise,
    norm,
    parts,
    pool,
    resize,
    shape,
)
from prunus_tensorflow.graphdef.rules.context import Rule

RULES: dict[str, Rule] = {
    **conv.RULES,
    **dense.RULES,
    **elementwise.RULES,
    **norm.RULES,
    **parts.RULES,
    **pool.RULES,
    **resize.RULES,
    **shape.RULES,
}
