"""Where a network's numbers are compared: before the activations that end it.

Behind a sigmoid, a softmax or a ReLU the numbers may be so small, or so alike, that rounding is all
there is to see, and a wrong channel is not. Before them both show.
"""

from __future__ import annotations

import onnx_ir as ir

_ACTIVATIONS = frozenset(
    "Sigmoid HardSigmoid Softmax LogSoftmax Tanh Relu LeakyRelu Clip Elu Selu Celu Softplus "
    "Softsign HardSwish Exp".split()
)
_PASSING = frozenset("Identity Dropout Reshape Flatten Squeeze Unsqueeze Transpose".split())


def values_before_activations(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """Output name -> values before its last activations; none where no activation ends it."""
    found = {}
    for value in model.graph.outputs:
        values_before: list[str] = []
        if _walk(value, values_before):
            found[value.name or ""] = tuple(dict.fromkeys(values_before))
    return found


def _walk(value: ir.Value, values_before: list[str]) -> bool:
    """Collect the values before a value's last activations; whether there are any."""
    node = value.producer()
    kind = "" if node is None else node.op_type
    if node is None or kind not in _ACTIVATIONS | _PASSING | {"Concat"}:
        values_before.append(value.name or "")
        return False
    inputs = node.inputs if kind == "Concat" else node.inputs[:1]
    known = [part for part in inputs if part is not None and part.const_value is None]
    met = [_walk(part, values_before) for part in known]
    return kind in _ACTIVATIONS or any(met)
