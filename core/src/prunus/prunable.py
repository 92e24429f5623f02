"""A network with everything that pruning derives from its structure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.graph.macs import CostModel, cost_model
from prunus.grouping import Grouping, find_groups
from prunus.network import Network


@attrs.frozen(eq=False)
class Prunable:
    """A network, its groups of channels and their cost.

    Attributes:
        network: The network.
        grouping: Its prunable groups, and the reasons why other channels stay.
        cost: MACs as a function of the channels that each group keeps.
        exclude: Native names of layers that stay whole.
    """

    network: Network
    grouping: Grouping
    cost: CostModel
    exclude: tuple[str, ...] = attrs.field(default=(), kw_only=True)

    def rate(self, keep: Mapping[str, NDArray[np.bool_]]) -> float:
        """Share of the network's MACs that a choice of channels removes, in [0, 1).

        Args:
            keep: Group name -> ``(C,)`` bool, True for kept; groups left out stay whole.
        """
        return float(1 - self.cost.macs(self.cost.kept(keep)) / self.cost.total)


def prunable(network: Network, exclude: tuple[str, ...] = ()) -> Prunable:
    """Group the channels of a network.

    Args:
        network: The network.
        exclude: Native names of layers whose output channels stay whole.
    """
    grouping = find_groups(network, exclude)
    return Prunable(network, grouping, cost_model(network.model, grouping), exclude=exclude)
