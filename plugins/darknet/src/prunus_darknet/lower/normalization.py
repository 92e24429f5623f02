"""Batch normalisation of both Darknet forks as one standard operator.

BatchNormalization divides by ``sqrt(variance' + epsilon)``. AlexeyAB's fork does just
that with 1e-5. pjreddie's divides by ``sqrt(variance) + 1e-6``, whose square is
``variance + 2e-6 sqrt(variance) + 1e-12``: the graph stores the first two terms and
has epsilon 1e-12, so that a channel of variance 0 behaves as in Darknet too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus_darknet.dialect import ALEXEYAB, OPENCV, PJREDDIE

Array = NDArray[np.float32]

EPSILON = {PJREDDIE: 1e-12, ALEXEYAB: 1e-5, OPENCV: 1e-6}
LOWEST = {PJREDDIE: -float(np.finfo(np.float32).tiny), ALEXEYAB: -1e-5, OPENCV: -1e-6}
"""Above it a variance still has a root: pjreddie's Darknet is built to take numbers that are
closer to 0 than float32's smallest normal one as 0 (``-Ofast``), the others add first."""

_OFFSET = 1e-6


def graph_variance(stored: Array, normalization: str) -> Array:
    """Variance for the graph from the one in the file, ``(C,)`` both."""
    if normalization != PJREDDIE:
        return stored
    wide = stored.astype(np.float64)
    return (wide + 2 * _OFFSET * np.sqrt(np.maximum(wide, 0))).astype(np.float32)


def stored_variance(graph: Array, normalization: str, original: Array | None) -> Array:
    """Variance for the file from the one in the graph, ``(C,)`` both.

    Args:
        graph: The graph's variance.
        normalization: Convention it was lowered by.
        original: What the file held for the same channels: where the graph's value
            did not change, exactly this is given back.
    """
    if normalization != PJREDDIE:
        return graph
    wide = np.maximum(graph.astype(np.float64), 0)
    deviation = np.maximum(np.sqrt(wide + _OFFSET**2) - _OFFSET, 0)
    inverted = (deviation**2).astype(np.float32)
    if original is None or original.shape != graph.shape:
        return inverted
    return np.where(graph == graph_variance(original, normalization), original, inverted)
