"""A network with everything that pruning derives from its structure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import PlanError, UsageError
from prunus.granularity import CHANNELS, Granularity
from prunus.graph.macs import CostModel, cost_model, layer_macs, weight_cost
from prunus.graph.parameters import parameters
from prunus.grouping import Grouping, find_groups
from prunus.grouping.weights import find_weights, total_weights
from prunus.near import meant
from prunus.network import Network


@attrs.frozen(eq=False)
class Prunable:
    """A network, its groups of channels or of single weights, and their cost.

    Attributes:
        network: The network.
        grouping: Its prunable groups, and the reasons why others stay.
        cost: MACs as a function of the channels that each group keeps, or the number of weights.
        exclude: Native names of layers that stay whole.
        granularity: The units of its groups.
    """

    network: Network
    grouping: Grouping
    cost: CostModel
    exclude: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    granularity: Granularity = attrs.field(default=CHANNELS, kw_only=True)

    def rate(self, keep: Mapping[str, NDArray[np.bool_]]) -> float:
        """Share of the network's MACs, or of its weights, that a choice removes, in [0, 1).

        Args:
            keep: Group name -> ``(C,)`` bool, True for kept; groups left out stay whole.
        """
        return float(1 - self.cost.macs(self.cost.kept(keep)) / self.cost.total)

    def macs(self, keep: Mapping[str, NDArray[np.bool_]]) -> int:
        """MACs that are left; engines without sparse kernels do those of zero weights too."""
        if self.granularity == CHANNELS:
            return round(self.cost.macs(self.cost.kept(keep)))
        return sum(layer_macs(self.network.model, self.grouping.labelling.dims).values())

    def params(self, keep: Mapping[str, NDArray[np.bool_]], smaller: ir.Model) -> int:
        """Learned numbers that a choice leaves: those of the compact graph that are not masked."""
        whole = parameters(self.network, smaller)
        if self.granularity == CHANNELS:
            return whole
        return whole - sum(int((~units).sum()) for units in keep.values())


def prunable(
    network: Network, exclude: tuple[str, ...] = (), granularity: Granularity = CHANNELS
) -> Prunable:
    """Group the channels of a network, or its weights.

    Args:
        network: The network.
        exclude: Native names of layers whose output channels, or weights, stay whole.
        granularity: The units.

    Raises:
        PlanError: no layer can have the granularity's pattern.
        UsageError: the network has no layer of such a name.
    """
    check_layers(network, exclude)
    if granularity == CHANNELS:
        grouping = find_groups(network, exclude)
        cost = cost_model(network.model, grouping)
    else:
        grouping = find_weights(network, granularity, exclude)
        if granularity.pattern is not None and not grouping.groups and grouping.protected:
            first = grouping.protected[0]
            raise PlanError(
                f"granularity {granularity}: no layer can have it; {first.layer}: {first.reason}"
            )
        cost = weight_cost(grouping.groups, total_weights(network))
    return Prunable(network, grouping, cost, exclude=exclude, granularity=granularity)


def names_of(given: str | Iterable[str]) -> tuple[str, ...]:
    """Names of layers; a text is one name."""
    return (given,) if isinstance(given, str) else tuple(given)


def check_layers(
    network: Network, names: Iterable[str], said: str = "exclude", listed: str = "stat()"
) -> None:
    """Refuse names that are neither of a layer nor of what one makes.

    Args:
        network: The network.
        names: What somebody calls its layers.
        said: The names' own name, for the message.
        listed: What lists all layers.

    Raises:
        UsageError: the network has no layer of such a name.
    """
    known = {*network.layers, *(name for names in network.aliases.values() for name in names)}
    known |= {value.name or "" for node in network.model.graph for value in node.outputs}
    for name in names:
        if name not in known:
            raise UsageError(
                f"{said} {name}: the network has no such layer{meant(name, network.layers)}; "
                f"{listed} lists them"
            )
