"""Where the raw scores of an output are: before a final Softmax or Sigmoid."""

from __future__ import annotations

import attrs
import onnx_ir as ir

_PASSING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze"})


@attrs.frozen
class Head:
    """Scores behind one graph output.

    Attributes:
        output: Graph output.
        value: Value to read: the input of the final activation, or the output itself.
        activation: ``Softmax``, ``LogSoftmax``, ``Sigmoid``, or ``""`` for none.
        axis: Class axis of ``value``.
    """

    output: str
    value: str
    activation: str = ""
    axis: int = 1


def head_of(model: ir.Model, output: str) -> Head:
    """Find the scores of an output; nodes that only reshape may follow the activation."""
    makers = {value.name: node for node in model.graph for value in node.outputs}
    name: str | None = output
    while name in makers:
        node = makers[name]
        source = node.inputs[0] if node.inputs else None
        if source is None or not source.name:
            break
        if node.op_type in ("Softmax", "LogSoftmax", "Sigmoid"):
            axis = node.attributes.get("axis")
            default = 1 if node.op_type == "Sigmoid" else -1
            return Head(
                output, source.name, node.op_type, default if axis is None else axis.as_int()
            )
        if node.op_type not in _PASSING:
            break
        name = source.name
    return Head(output, output)
