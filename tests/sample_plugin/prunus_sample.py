"""Criterion ``cosine``: how little a filter repeats others.

score_c = 1 - mean over c' != c of |cos(w_c, w_c')|, averaged over the filters that make the
group: filters that point where others point are redundant, whatever their length (Ayinde,
Inanc & Zurada, Redundant feature pruning for accelerated inference in deep neural networks,
Neural Networks 118, 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Criterion, Descriptor, Group, Network, hookimpl


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the criterion."""
    return (Criterion("cosine", "how little a filter points where others point"),)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Mean over filters of one minus the mean absolute cosine to the other units."""
    filters = [member.slices(network) for member in group.members if member.role == "filter"]
    return np.asarray(np.mean([distinctness(weights) for weights in filters], axis=0))


def distinctness(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(C,)`` from ``(C, m)``; a filter of zeros repeats everything and scores 0."""
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    units = np.divide(weights, lengths, out=np.zeros_like(weights), where=lengths > 0)
    others = np.abs(units @ units.T).sum(1) - (lengths[:, 0] > 0)
    scores = 1 - others / max(len(weights) - 1, 1)
    return np.where(lengths[:, 0] > 0, scores, 0.0)
