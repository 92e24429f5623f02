"""The regression of each consumer: its form, and its target."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.folding import Consumer, channel_axis, constant_place, owned
from prunus.graph.shapes import Shapes
from prunus.grouping.find import Grouping
from prunus.network import Network
from prunus.recovery.design import Design
from prunus.recovery.positions import window_of
from prunus.recovery.targets import Target, target_behind

_FEATURES = 2304
"""Most inputs of an output, and most channels: the work grows with their cube."""

_INPUT_AXIS = {"Conv": 1, "ConvTranspose": 0, "MatMul": 0, "Gemm": 0}


def design_of(
    consumer: Consumer,
    network: Network,
    grouping: Grouping,
    mask: NDArray[np.bool_] | None = None,
) -> Design | None:
    """The regression that compensates a consumer; ``None`` where there is none."""
    node, labels = consumer.node, grouping.labelling.values[consumer.data]
    weight = node.inputs[1]
    if weight is None or weight.name != consumer.weight or not owned(weight, network):
        return None
    if sum(size > 1 for size in labels.shape) > 1 or node.op_type not in _INPUT_AXIS:
        return None
    assert weight.const_value is not None
    stored = weight.const_value.numpy()
    transposed = node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1
    blocks = node.attributes.get_int("group", 1)
    channels, kernel = len(consumer.removed) // blocks, stored.shape[2:]
    window = window_of(node, kernel) if channels * math.prod(kernel) <= _FEATURES else None
    if channels > _FEATURES or (mask is not None and window is None):
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return Design(
        consumer,
        channel_axis(grouping, consumer.data),
        1 if transposed else _INPUT_AXIS[node.op_type],
        blocks,
        window,
        Target(consumer.data if window is None else node.outputs[0].name or ""),
        stored,
        0.0 if bias is None or bias.const_value is None else bias.const_value.numpy(),
        constant_place(node, network) is not None,
        mask,
    )


def with_targets(designs: Sequence[Design], network: Network, shapes: Shapes) -> list[Design]:
    """Designs, in the order of the graph, with the targets behind their outputs.

    A design without a window or without a constant keeps its target.
    """
    order = {node.name or "": position for position, node in enumerate(network.model.graph)}
    names = [design.consumer.node.name or "" for design in designs]
    later = set(names)
    found = []
    for name, design in zip(names, designs, strict=True):
        later.discard(name)
        if design.window is not None and design.centred:
            target = target_behind(design.consumer.node, later, order, shapes)
            design = attrs.evolve(design, target=target)
        found.append(design)
    return found
