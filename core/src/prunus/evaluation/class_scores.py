"""Scores of classes as probabilities, and the divergence of two networks' scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

_TINY = 1e-12
"""Least probability whose logarithm is taken."""

Numbers = NDArray[np.float64]


def log_probabilities(scores: NDArray[np.floating], *, softmax: bool) -> Numbers:
    """Logarithms ``(N, C)`` of scores ``(N, C, ...)`` whose axes behind C are 1.

    Args:
        scores: Scores of the classes.
        softmax: False for scores that are probabilities already.
    """
    flat = scores.reshape(len(scores), -1).astype(np.float64)
    return np.asarray(log_softmax(flat, axis=1) if softmax else np.log(np.maximum(flat, _TINY)))


def divergences(
    wanted: NDArray[np.floating], found: NDArray[np.floating], *, softmax: bool
) -> Numbers:
    """``(N,)`` Kullback-Leibler divergence of ``found`` from ``wanted`` in nats.

    The sum over c of p_c (ln p_c - ln q_c), with p of ``wanted`` and q of ``found``.
    """
    p, q = (log_probabilities(scores, softmax=softmax) for scores in (wanted, found))
    return np.asarray(np.sum(np.exp(p) * (p - q), axis=1))
