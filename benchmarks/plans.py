"""Plans without samples: channels scored by their L1 norm, nothing pruned before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus.graph.macs import cost_model
from prunus.grouping import Grouping
from prunus.methods import uniform
from prunus.methods.l1 import prunus_rank
from prunus.network import Network
from prunus.planning.budget import Budget, Planning
from prunus.sensitivity import Sensitivity


def l1_scores(network: Network, grouping: Grouping) -> dict[str, NDArray[np.float64]]:
    """Scores of every group's units."""
    return {g.name: prunus_rank("l1", network, g, None, 0) for g in grouping.groups}


def planning_of(
    network: Network, grouping: Grouping, curves: Sensitivity | None = None
) -> Planning:
    """What an allocation chooses from."""
    scores, cost = l1_scores(network, grouping), cost_model(network.model, grouping)
    present = {g.name: np.ones(g.size, bool) for g in grouping.groups}
    return Planning(grouping.groups, scores, present, cost, curves)


def uniform_plan(planning: Planning, rate: float) -> dict[str, NDArray[np.bool_]]:
    """Kept units at a rate, the same ratio in every group."""
    keep: dict[str, NDArray[np.bool_]] = uniform.prunus_mask("uniform", planning, Budget(rate=rate))
    return keep


def removed(planning: Planning, keep: dict[str, NDArray[np.bool_]]) -> float:
    """Share of the MACs a plan removes."""
    return float(1 - planning.cost.macs(planning.cost.kept(keep)) / planning.cost.total)
