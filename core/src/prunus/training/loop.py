"""Work of every trainer between two updates: checks, reports, snapshots, evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from prunus.counted import counted
from prunus.task import Measurement
from prunus.training.divergence import check_loss
from prunus.training.job import Progress, TrainingJob, Weights

SMOOTHING = 0.95
"""Share of the past in the reported loss."""


@attrs.define(eq=False)
class TrainingLoop:
    """A training under way; a trainer makes updates and calls `advance` after each.

    Attributes:
        job: What to do.
        weights: Gives the weights as they are now.
        save: Writes a snapshot: updates done, smoothed loss.
        interrupted: Tells whether Ctrl-C was pressed (`prunus.plugin.deferred`).
        iteration: Updates done.
        loss: Smoothed loss; NaN before the first update.
        metric: Last evaluation, if there was one.
    """

    job: TrainingJob
    weights: Callable[[], Weights]
    save: Callable[[int, float], None]
    interrupted: Callable[[], bool]
    iteration: int = 0
    loss: float = math.nan
    metric: Measurement | None = None

    @property
    def done(self) -> bool:
        """Whether every update the recipe asks for was made."""
        return self.iteration >= self.job.recipe.iterations

    def advance(self, loss: float, rate: float) -> None:
        """Count one update: check, evaluate, report, save, stop.

        Args:
            loss: Training loss of the update.
            rate: Its learning rate.

        Raises:
            UsageError: training diverged.
            KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
        """
        job, recipe = self.job, self.job.recipe
        self.iteration += 1
        check_loss(loss, self.iteration, rate)
        past = loss if math.isnan(self.loss) else self.loss
        self.loss = SMOOTHING * past + (1 - SMOOTHING) * loss
        if job.evaluate is not None and self._due(recipe.test_interval):
            self.metric = job.evaluate(self.weights())
        job.report(Progress(self.iteration, recipe.iterations, self.loss, rate, self.metric))
        stop = self.interrupted()
        if stop or self._due(recipe.snapshot):
            self.save(self.iteration, self.loss)
        if stop and not self.done:
            done = counted(self.iteration, "iteration")
            raise KeyboardInterrupt(f"stopped after {done}; --resume continues")

    def _due(self, interval: int) -> bool:
        """Whether what is done every so many updates (0: never), and at the end, is done now."""
        return self.done or (interval > 0 and self.iteration % interval == 0)
