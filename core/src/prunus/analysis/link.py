"""From the distance of outputs to the loss in a metric, as plans of the whole network show it.

The distance of a pruned network's outputs from the original's (`prunus.recovery.held_out`) is known
from few samples. What a metric loses that counts classes or detections takes many: so it is
expected from the distance, by a few plans of which both were measured, and what is measured of a
single group corrects that as far as it is sure.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
from numpy.typing import NDArray

_DOUBT = 0.5
"""Standard error of a loss expected from a known distance, as a share of it."""

Numbers = NDArray[np.float64]


@attrs.frozen(eq=False)
class Link:
    """Expected loss as a function of distance: straight lines from no loss at no distance.

    Attributes:
        distances: ``(J,)`` of the measured plans, ascending.
        losses: ``(J,)`` their losses, smoothed.
        doubt: Standard error of a loss expected from a known distance, as a share of it.
    """

    distances: Numbers
    losses: Numbers
    doubt: float = _DOUBT

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> Link:
        """The link of plans, by distance and loss.

        Losses for their distance fall (isotonic regression, weighted by distance: the variance of
        a count grows with it), losses themselves rise. Without plans, or where none of them loses
        anything on so few samples, nothing can be expected: the doubt is infinite.
        """
        from scipy.optimize import isotonic_regression  # slow to import

        usable = sorted((d, loss) for d, loss in pairs if 0 < d < np.inf)
        if not any(loss > 0 for _, loss in usable):
            return cls(np.ones(1), np.ones(1), np.inf)
        distances, losses = np.array(usable, np.float64).T
        slopes = isotonic_regression(losses / distances, weights=distances, increasing=False).x
        return cls(distances, np.maximum.accumulate(np.maximum(slopes, 0) * distances))

    def expected(self, distances: Numbers) -> Numbers:
        """Loss ``(n,)`` at distances ``(n,)``; in proportion beyond the farthest plan."""
        far = np.maximum(distances / self.distances[-1], 1.0)
        known = (np.array([0.0, *self.distances]), np.array([0.0, *self.losses]))
        return np.asarray(np.interp(distances, *known) * far)

    def corrected(
        self, distance: float, spread: float, loss: float, error: float
    ) -> tuple[float, float]:
        """A measured loss and its error, together with the loss that is expected.

        Both count by the inverse of their variances.

        Args:
            distance: Distance of the outputs.
            spread: Its standard error.
            loss: Measured loss.
            error: Its standard error.
        """
        expected = float(self.expected(np.array([distance]))[0])
        share = spread / distance if distance > 0 else 0.0
        doubt = float(np.hypot(self.doubt, share)) * expected
        if not error or not np.isfinite(doubt):
            return loss, error
        share = doubt**2 / (doubt**2 + error**2)
        return expected + share * (loss - expected), float(np.sqrt(share)) * error
