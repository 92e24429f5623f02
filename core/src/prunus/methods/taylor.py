"""Criterion ``taylor``: squared change of the loss if a filter goes, to first order.

score_c = mean over batches of sum over filters of (sum over w in filter c of w dL/dw)², with L the
mean loss of a batch (Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019,
eqs. 8 and 10). Answers are drawn from the network's own output (`prunus.gradients`).
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

_BATCH = 16
"""Samples whose derivatives are averaged before they are squared."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion(
            "taylor",
            "squared first-order change of the loss by the filters; needs samples and a trainer",
            needs_samples=True,
            needs_gradients=True,
            comparable=True,
        ),
    )


@hookimpl
def prunus_rank(criterion: str, group: Group, gradients: Gradients) -> NDArray[np.float64]:
    """Squared sums of weights times derivatives."""
    from prunus.gradients import mean_over_batches

    scores = np.zeros(group.size)
    for member in gradients.of(group, "filter"):
        batches = mean_over_batches(member.first, _BATCH)
        scores += np.mean([np.square(batch) for batch in batches], axis=0)
    return scores
