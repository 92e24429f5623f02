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


def fronts_of(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """Output name -> values before its last activations; none where no activation ends it."""
    found = {}
    for value in model.graph.outputs:
        fronts: list[str] = []
        if _walk(value, fronts):
            found[value.name or ""] = tuple(dict.fromkeys(fronts))
    return found


def _walk(value: ir.Value, fronts: list[str]) -> bool:
    """Collect fronts behind a value; whether there was an activation on the way."""
    node = value.producer()
    kind = "" if node is None else node.op_type
    if node is None or kind not in _ACTIVATIONS | _PASSING | {"Concat"}:
        fronts.append(value.name or "")
        return False
    inputs = node.inputs if kind == "Concat" else node.inputs[:1]
    known = [part for part in inputs if part is not None and part.const_value is None]
    met = [_walk(part, fronts) for part in known]
    return kind in _ACTIVATIONS or any(met)
