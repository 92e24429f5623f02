"""Static shapes of every value, for a batch of one."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from prunus.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]


def infer_shapes(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Value name -> shape with batch size 1; values without a static shape are left out.

    Raises:
        ModelError: a graph input has a dimension other than the batch that is not fixed.
    """
    single = model.clone()
    for value in single.graph.inputs:
        if value.shape is None:
            raise ModelError(f"graph input '{value.name}' has no shape; export it with fixed sizes")
        dims = [
            1 if axis == 0 and not isinstance(d, int) else d for axis, d in enumerate(value.shape)
        ]
        unknown = [axis for axis, d in enumerate(dims) if not isinstance(d, int)]
        if unknown:
            raise ModelError(
                f"graph input '{value.name}' has no fixed size on axis {unknown[0]}; "
                "give the size of one sample (--input-shape) or export the model with fixed sizes"
            )
        value.shape = ir.Shape(dims)
    for node in single.graph:
        for value in node.outputs:
            value.shape = None
    for value in single.graph.outputs:
        value.shape = None
    inferred = ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(single).model
    shapes: dict[str, tuple[int, ...]] = {}
    for value in _values(inferred):
        if value.name is None or value.shape is None:
            continue
        static = [d for d in value.shape if isinstance(d, int)]
        if len(static) == len(value.shape):
            shapes[value.name] = tuple(static)
    return shapes


def typed(model: ir.Model) -> ir.Model:
    """The same graph with the element type of every value, where it can be told."""
    step = ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)
    return step(model.clone()).model


def _values(model: ir.Model) -> list[ir.Value]:
    graph = model.graph
    produced = [output for node in graph for output in node.outputs]
    return [*graph.inputs, *graph.initializers.values(), *produced]
