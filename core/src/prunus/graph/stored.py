"""Numbers that a network learns or stores, as a function of the channels that stay."""

from __future__ import annotations

import math

from prunus.graph.macs import CostModel, Side, bilinear_cost
from prunus.graph.parameters import LEARNED
from prunus.grouping.find import Grouping
from prunus.network import Network


def parameter_cost(network: Network, grouping: Grouping) -> CostModel:
    """Learned numbers (`prunus.graph.parameters.parameters`) of every plan."""
    learned = {name for name, binding in network.bindings.items() if binding.role in LEARNED}
    return _numbers(network, grouping, learned, "parameters")


def stored_cost(network: Network, grouping: Grouping) -> CostModel:
    """All numbers that the native files keep, means and variances of normalisations too."""
    return _numbers(network, grouping, set(network.bindings), "numbers")


def _numbers(network: Network, grouping: Grouping, names: set[str], counted: str) -> CostModel:
    totals = {
        name: float(math.prod(int(str(size)) for size in value.shape))
        for name, value in network.model.graph.initializers.items()
        if name in names and value.shape is not None
    }
    sides: dict[tuple[str, int], Side] = {}
    for record in grouping.labelling.records:
        if record.initializer in totals:
            side = "inputs" if record.role == "input" else "outputs"
            # a second use of the same weight has the same channels
            sides.setdefault(
                (record.initializer, record.axis), (record.initializer, side, record.labels)
            )
    return bilinear_cost(grouping, totals, sides.values(), counted)
