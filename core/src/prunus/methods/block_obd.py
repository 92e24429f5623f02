"""Criterion ``block-obd``: growth of the loss by the second derivatives of single weights.

score_c = sum over the filters' weights w of channel c of h_ww w² / 2 (LeCun, Denker, Solla, Optimal
Brain Damage, NIPS 1990, eq. 5, summed over the weights that go together). The diagonal h is that of
Gauss and Newton, as the mean of squared derivatives with answers drawn from the network's own
output (`prunus.gradients`).
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
            "block-obd",
            "second-order growth of the loss, weight by weight; needs samples and a trainer",
            needs_samples=True,
            needs_gradients=True,
            comparable=True,
        ),
    )


@hookimpl
def prunus_rank(criterion: str, group: Group, gradients: Gradients) -> NDArray[np.float64]:
    """Saliencies of all weights of a unit's filters together."""
    members = gradients.of(group, "filter")
    return np.asarray(np.sum([member.squares for member in members], axis=0) / 2)
