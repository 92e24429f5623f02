"""How many samples a graph runs at once, so that its activations stay within a bound."""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx_ir as ir

from prunus.graph.shapes import Shapes, infer_shapes

_BYTES = 64 * 2**20
"""Bound on the activations held at once."""

_INSIDE = 3
"""Estimate: values of the largest size that the engine holds inside a graph as it runs."""

MOST = 64
"""Samples of a batch: more brings no speed."""


def samples_within(shapes: Shapes, values: Iterable[str], kept: Iterable[str]) -> int:
    """Samples whose float32 activations stay within 64 MB together, 64 at most.

    Args:
        shapes: Value name -> shape for one sample.
        values: All values a graph computes; the engine holds some of the largest on the way.
        kept: Values that are held to the end of a run.
    """
    known = (shapes[value] for value in values if value in shapes)  # others follow from data
    largest = max(map(math.prod, known), default=0)
    numbers = _INSIDE * largest + sum(math.prod(shapes[v]) for v in kept if v in shapes)
    return min(max(_BYTES // max(4 * numbers, 1), 1), MOST)


def samples_at_once(model: ir.Model) -> int:
    """`samples_within` of a whole graph, for its outputs."""
    shapes = infer_shapes(model)
    made = [value.name or "" for node in model.graph for value in node.outputs]
    kept = [value.name or "" for value in model.graph.outputs]
    return samples_within(
        shapes, [name for name in made if name in shapes], [name for name in kept if name in shapes]
    )
