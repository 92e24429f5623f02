"""Values as a notebook shows them, by the parts of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunus.graph.parameters import learned_by
from prunus.graph.shapes import infer_shapes
from prunus.report.blocks import blocks_of
from prunus.report.curves import sensitivity_charts
from prunus.report.drawing import draw
from prunus.report.facts import LayerFacts
from prunus.report.page import GroupRow, fragment

if TYPE_CHECKING:
    from prunus.network import Network
    from prunus.sensitivity import Sensitivity


def view_network(network: Network) -> str:
    """The drawn network, as it is."""
    shapes = infer_shapes(network.model)
    layers = {node: layer for layer, nodes in network.layers.items() for node in nodes}
    facts = {}
    for node in network.model.graph:
        name, output = node.name or "", shapes.get(node.outputs[0].name or "", ())[1:]
        params = learned_by(node, network.bindings)
        if params and output:
            channels = output[0]
            facts[name] = LayerFacts(
                layers.get(name, name), node.op_type, output, "channels", channels, channels,
                params, params, 0, 0,
            )  # fmt: skip
    return fragment("drawing", pieces=draw(blocks_of(network), facts))


def view_sensitivity(sensitivity: Sensitivity) -> str:
    """The curves of all groups."""
    charts = sensitivity_charts(sensitivity)
    return fragment("charts", charts=charts, metric=sensitivity.metric)


def view_plan(summary: str, units: str, groups: Sequence[GroupRow]) -> str:
    """What every group keeps.

    Args:
        summary: A sentence.
        units: ``channels`` or ``weights``.
        groups: The groups that lose some.
    """
    return fragment("groups", summary=summary, units=units, groups=groups)
