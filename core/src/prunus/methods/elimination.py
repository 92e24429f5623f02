"""Greedy elimination of blocks of features from least squares problems (block OBS).

Removing the features b of ``y = W x`` and refitting the others costs
``tr(W_bᵀ (H⁻¹_bb)⁻¹ W_b)`` of squared error, with H the mean of x xᵀ (Hassibi and Stork 1993; in
blocks: Kurtic et al., ZipLM, 2023). The cheapest block goes, the weights of the others take over,
H⁻¹ is downdated, and so on to the last block.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.recovery.moments import held_by_ridge

Array = NDArray[np.float64]

_RIDGE = 1e-3
"""Share of the mean variance of the features, added to the diagonal."""


_STEPS = 128
"""Of the units that are left, one in so many goes at once."""


@attrs.frozen(eq=False)
class LeastSquares:
    """Outputs of one consumer as a function of its features.

    Attributes:
        products: Mean of x xᵀ without the mean of x, ``(K, K)``.
        weights: ``(K, M)``.
        blocks: ``(C, b)`` features of every unit.
    """

    products: Array
    weights: Array
    blocks: NDArray[np.int64]


def elimination_costs(problems: Sequence[LeastSquares]) -> Array:
    """``(C,)`` share of the outputs' variance that is lost once a unit has gone, and all before it.

    Units of several consumers go together; the shares that they cost are averaged. The unit that
    goes first has the lowest number. Of more than 128 units several go at once.

    Args:
        problems: One a consumer, with the same units.
    """
    states = [_State(problem) for problem in problems]
    alive = np.arange(len(problems[0].blocks))
    held = len(alive)  # units whose numbers the states hold
    costs = np.zeros(len(alive))
    spent = 0.0
    while len(alive):
        prices = np.mean([state.prices(alive) for state in states], axis=0)
        going = np.argsort(prices, kind="stable")[: max(1, len(alive) // _STEPS)]
        for position in going:
            spent += max(float(prices[position]), 0.0) + 1e-12
            costs[alive[position]] = spent
        for state in states:
            state.remove(alive[going])
        alive = np.delete(alive, going)
        if 2 * len(alive) <= held:
            held = len(alive)
            for state in states:
                state.keep_only(alive)
    return costs


class _State:
    """One problem after some units have gone.

    Of the weights W of what is left, only the products W Wᵀ matter: there are fewer features than
    outputs, often by far.
    """

    def __init__(self, problem: LeastSquares) -> None:
        products, self._blocks = problem.products, problem.blocks
        self._weights = problem.weights @ problem.weights.T
        self._whole = max(float(np.sum(self._weights * products)), 1e-30)
        self._inverse = np.linalg.inv(held_by_ridge(products, _RIDGE))
        self.keep_only(np.arange(len(self._blocks)))

    def keep_only(self, units: NDArray[np.int64]) -> None:
        """Hold the numbers of some units only: no price of theirs depends on any other."""
        blocks = self._blocks[units]
        features = blocks.ravel()
        self._inverse = self._inverse[np.ix_(features, features)]
        self._weights = self._weights[np.ix_(features, features)]
        self._blocks = np.zeros_like(self._blocks)
        self._blocks[units] = np.arange(len(features)).reshape(blocks.shape)

    def prices(self, units: NDArray[np.int64]) -> Array:
        """Share of the outputs' variance that each unit costs."""
        blocks = self._blocks[units]
        place = blocks[:, :, None], blocks[:, None, :]
        lost = np.sum(np.linalg.inv(self._inverse[place]) * self._weights[place], axis=(1, 2))
        return np.asarray(lost / self._whole)

    def remove(self, units: NDArray[np.int64]) -> None:
        """Let the other weights take over, and forget the units."""
        block = self._blocks[units].ravel()
        inverse, weights = self._inverse, self._weights
        share = inverse[:, block] @ np.linalg.inv(inverse[np.ix_(block, block)])
        inverse -= share @ inverse[block]
        # (I - S) W Wᵀ (I - S)ᵀ, where S takes the block's weights to the others
        weights -= share @ weights[block]
        weights -= weights[:, block] @ share.T
