"""Output variance of a consumer that its kept features cannot give back, however weighted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

Array = NDArray[np.float64]
Plans = NDArray[np.bool_]


def missing_shares(products: Array, outputs: Array, kept: Plans) -> list[float]:
    """Share of the variance of ``features @ outputs`` that each plan leaves missing.

    With H the products, W the outputs' weights and r the removed features, the trace of
    W_rᵀ (H_rr - H_rk H_kk⁻¹ H_kr) W_r (Hassibi and Stork 1993, for many weights at once). With the
    kept features first and H = L Lᵀ, this is the sum of squares of the last rows of Lᵀ W: plans
    that remove more and more features share one factor. Without finite numbers all is missing.

    Args:
        products: Mean products of the features, positive definite, ``(F, F)``.
        outputs: ``(F, M)``.
        kept: Features that each plan keeps, ``(P, F)``.
    """
    missing = np.empty(len(kept))
    with np.errstate(over="ignore", invalid="ignore"):
        whole = max(float(np.sum(outputs * (products @ outputs))), 1e-30)
        if not np.isfinite(whole):
            return [1.0] * len(kept)
        for chain in _chains(kept):
            order = np.argsort(-kept[chain].sum(0), kind="stable")
            ordered = products[np.ix_(order, order)]
            try:
                factor = cholesky(ordered, lower=True, overwrite_a=True, check_finite=False)
            except np.linalg.LinAlgError:
                return [1.0] * len(kept)
            rows = np.sum((factor.T @ outputs[order]) ** 2, axis=1)
            behind = np.append(np.cumsum(rows[::-1])[::-1], 0.0)
            missing[chain] = behind[kept[chain].sum(1)] / whole
    shares = np.where(np.isfinite(missing), np.clip(missing, 0.0, 1.0), 1.0)
    return [float(share) for share in shares]


def _chains(kept: Plans) -> Iterator[list[int]]:
    """Numbers of plans, each of which keeps no feature that the one before removes."""
    chain: list[int] = []
    for plan in np.argsort(-kept.sum(1), kind="stable").tolist():
        if chain and (kept[plan] > kept[chain[-1]]).any():
            yield chain
            chain = []
        chain.append(plan)
    yield chain
