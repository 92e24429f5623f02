"""Resizing, and space/depth rearrangement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic, integers
from prunus_tensorflow.graphdef.rules.spatial import (
    channel_axis,
    is_last,
    native_perm,
    native_shape,
    spatial_axes,
    to_channels_first,
)
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.resizing import floored_scale
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Unlowerable


def resize(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``ResizeBilinear`` and ``ResizeNearestNeighbor`` to a known size.

    Source of the coordinate rules: tensorflow/core/util/image_resizer_state.h.
    """
    x, sizes = dynamic(inputs[0]), integers(inputs[1], "size")
    moved = to_channels_first(context, x, True, step.name)
    aligned = attr(step.node, "align_corners").b
    centers = attr(step.node, "half_pixel_centers").b
    nearest = step.op == "ResizeNearestNeighbor"
    scales = [1.0, 1.0, *(floored_scale(x.shape[1 + i], sizes[i]) for i in range(2))]
    where = "align_corners" if aligned else "half_pixel" if centers else "asymmetric"
    shape = (x.shape[0], *sizes, x.shape[3])
    perm = native_perm(4, True)
    empty = context.builder.floats(step.name, "roi", np.zeros(0, np.float32))
    operand = context.builder.floats(step.name, "scales", np.asarray(scales, np.float32))
    attributes = {
        "mode": "nearest" if nearest else "linear",
        "coordinate_transformation_mode": where,
    }
    if nearest:
        # TensorFlow floors; at aligned corners and half pixels it rounds halves up.
        attributes["nearest_mode"] = "floor" if where == "asymmetric" else "round_prefer_ceil"
    (value,) = context.builder.add(
        "Resize",
        [moved.value, empty, operand],
        step.name,
        [tuple(shape[axis] for axis in perm)],
        **attributes,
    )
    return [Dynamic(value, shape, perm)]


def rearrange(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``DepthToSpace`` and ``SpaceToDepth``: TensorFlow's order is ONNX's DCR."""
    x = dynamic(inputs[0])
    rank, last = len(x.shape), is_last(step.node)
    if rank != 4:
        raise Unlowerable(f"its input has {rank} axes")
    moved = to_channels_first(context, x, last, step.name)
    block = int(attr(step.node, "block_size").i)
    channels = x.shape[channel_axis(4, last)]
    height, width = (x.shape[axis] for axis in spatial_axes(4, last))
    if step.op == "DepthToSpace":
        sizes, channels = [height * block, width * block], channels // block**2
    else:
        sizes, channels = [height // block, width // block], channels * block**2
    shape = native_shape(x.shape[0], channels, sizes, last)
    perm = native_perm(4, last)
    out = [tuple(shape[axis] for axis in perm)]
    (value,) = context.builder.add(step.op, [moved.value], step.name, out, blocksize=block)
    return [Dynamic(value, shape, perm)]


RULES: dict[str, Rule] = {
    "ResizeBilinear": resize,
    "ResizeNearestNeighbor": resize,
    "DepthToSpace": rearrange,
    "SpaceToDepth": rearrange,
}
