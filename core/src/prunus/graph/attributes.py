"""Attributes of nodes, compared with the definition of their operators in ONNX."""

from __future__ import annotations

from functools import cache

import onnx
import onnx_ir as ir

_STANDARD = ("", "ai.onnx")


def attribute_fault(model: ir.Model) -> tuple[str, str] | None:
    """The first node whose attributes are not those of its operator.

    Operators that are not of the ONNX standard are left aside.

    Returns:
        Name of the node, and the fault: ``Concat without its attribute 'axis'``; ``None`` without
        a fault.
    """
    version = model.opset_imports.get("", onnx.defs.onnx_opset_version())
    for node in model.graph:
        known = _defined(node.op_type, version) if node.domain in _STANDARD else None
        if known is None:
            continue
        for name, required in known.items():
            if required and name not in node.attributes:
                return node.name or "", f"{node.op_type} without its attribute '{name}'"
        for name in node.attributes:
            if name not in known:
                names = ", ".join(sorted(known)) or "none"
                return (
                    node.name or "",
                    f"{node.op_type} with the attribute '{name}' (it may have {names})",
                )
    return None


@cache
def _defined(operator: str, version: int) -> dict[str, bool] | None:
    """Attribute -> whether it is required; ``None`` for an operator that this opset lacks."""
    if not onnx.defs.has(operator, version, ""):
        return None
    attributes = onnx.defs.get_schema(operator, version).attributes
    return {name: bool(definition.required) for name, definition in attributes.items()}
