"""Where the network begins in a graph that may hold training, input queues and audio front ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.constants import EVALUATORS
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.rules import RULES
from prunus_tensorflow.graphdef.steps import Step, Steps, needed
from prunus_tensorflow.graphdef.view import PLACEHOLDERS, VARIABLES

# Position of the data among the inputs of ops that hold weights.
_WEIGHTED = {
    "Conv2D": 0,
    "Conv3D": 0,
    "DepthwiseConv2dNative": 0,
    "MatMul": 0,
    "BatchMatMulV2": 0,
    "Conv2DBackpropInput": 2,
}
# tf.gradients opens the scope `gradients` (tensorflow/python/ops/gradients_util.py).
GRADIENTS = re.compile(r"(^|/)gradients(_\d+)?/")
SHAPES = ("Shape", "ShapeN", "Rank", "Size")


def weighted_layers(steps: Steps, outputs: Iterable[str]) -> dict[str, str]:
    """Weighted node -> its data input, the gradient part left out."""
    names = needed(steps, outputs, ()) if outputs else list(steps)
    found = {}
    for name in names:
        step = steps[name]
        position = _WEIGHTED.get(step.op)
        if position is None or GRADIENTS.search(name) or len(step.inputs) <= position:
            continue
        weight = step.inputs[0 if position == 2 and len(step.inputs) < 3 else 1]
        if _is_static(steps, weight):
            found[name] = step.inputs[position]
    return found


def _is_static(steps: Steps, reference: str) -> bool:
    """True if the tensor comes from variables and constants alone."""
    for name in needed(steps, [reference], ()):
        step = steps[name]
        if step.op in VARIABLES or step.op == "Const":
            continue
        if step.op not in EVALUATORS or not step.inputs:
            return False
    return True


def is_known(step: Step) -> bool:
    """True for an op that can be lowered or computed."""
    return step.op in RULES or step.op in EVALUATORS or step.op in SHAPES


def entries(steps: Steps, weighted: Mapping[str, str]) -> tuple[str, ...]:
    """Tensors the first layers read in the end."""
    found: dict[str, None] = {}
    stack, seen = list(weighted.values()), set()
    below: dict[str, bool] = {}
    while stack:
        reference = stack.pop()
        if reference in seen:
            continue
        seen.add(reference)
        step = steps[split(reference)[0]]
        if step.op in VARIABLES or step.op == "Const" or step.op.startswith("Random"):
            continue
        if step.op in PLACEHOLDERS and not step.inputs:
            if not is_setting(step):
                found[reference] = None
        elif not is_known(step):
            if not _after_layer(steps, step.name, weighted, below):
                found[reference] = None
        else:
            stack.extend(one for one in step.inputs if one)
    order = {name: position for position, name in enumerate(steps)}
    return tuple(sorted(found, key=lambda name: order[split(name)[0]]))


def _after_layer(
    steps: Steps, name: str, weighted: Mapping[str, str], memo: dict[str, bool]
) -> bool:
    """True if a node depends on a weighted layer."""
    if name not in memo:
        memo[name] = any(one in weighted for one in needed(steps, [name], ()))
    return memo[name]


def is_setting(step: Step) -> bool:
    """True for a placeholder that is a number (keep_prob) or a switch, not a tensor."""
    if attr(step.node, "dtype").type == 10:  # DT_BOOL
        return True
    shape = attr(step.node, "shape").shape
    # Old exporters write `shape { }` for an unknown shape: a number is told by its consumers then.
    scalar = "shape" in step.node.attr and not shape.dim and not shape.unknown_rank
    return scalar and _named_number(step.name)


def _named_number(name: str) -> bool:
    return bool(re.search(r"(keep|drop|prob|rate|phase|train|lr)", name.rpartition("/")[2], re.I))
