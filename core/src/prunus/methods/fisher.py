"""Criterion ``fisher``: Fisher information of a factor on everything that reads a unit.

score_c = 1/2 mean over samples of (dL/dm_c)², with m_c a factor of the unit wherever it is read:
the growth of the loss to second order if it goes (Theis et al., Faster gaze prediction with dense
networks and Fisher pruning, 2018, eq. 6; for tied channels Liu et al., Group Fisher Pruning, ICML
2021, eq. 4). Answers are drawn from the network's own output (`prunus.gradients`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl

if TYPE_CHECKING:
    from prunus.gradients import Gradients


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion(
            "fisher",
            "Fisher information of a factor on the unit; needs samples and a trainer",
            needs_samples=True,
            needs_gradients=True,
            comparable=True,
        ),
    )


@hookimpl
def prunus_rank(criterion: str, group: Group, gradients: Gradients) -> NDArray[np.float64]:
    """By the weights that read the unit; by those that make it where nothing else does."""
    members = gradients.of(group, "input") or gradients.of(group, "filter")
    together = np.sum([member.first for member in members], axis=0)
    return np.asarray(np.mean(np.square(together), axis=0) / 2)
