"""What happens between two updates, whoever makes them."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from prunus.errors import UsageError
from prunus.training import Progress, TrainingJob, Weights

SMOOTHING = 0.95
"""Share of the past in the reported loss."""


@attrs.define(eq=False)
class Course:
    """A training under way.

    Attributes:
        job: What to do.
        weights: Gives the weights as they are now.
        save: Writes a snapshot of so many updates.
        interrupted: Tells whether Ctrl-C was pressed.
        iteration: Updates done.
        loss: Smoothed loss.
    """

    job: TrainingJob
    weights: Callable[[], Weights]
    save: Callable[[int], None]
    interrupted: Callable[[], bool]
    iteration: int = 0
    loss: float = math.nan

    def advance(self, loss: float, rate: float) -> None:
        """Count one update: check, evaluate, report, save, stop.

        Raises:
            UsageError: training diverged.
            KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
        """
        job, recipe = self.job, self.job.recipe
        self.iteration += 1
        if not math.isfinite(loss):
            raise UsageError(
                f"training diverged at iteration {self.iteration}: the loss is {loss}; lower the "
                f"learning rate (now {rate:g}, --learning-rate)"
            )
        past = loss if math.isnan(self.loss) else self.loss
        self.loss = SMOOTHING * past + (1 - SMOOTHING) * loss
        done = self.iteration >= recipe.iterations
        metric = None
        if job.evaluate is not None and (done or _due(self.iteration, recipe.test_interval)):
            metric = job.evaluate(self.weights())
        job.report(Progress(self.iteration, recipe.iterations, self.loss, rate, metric))
        stop = self.interrupted()
        if done or stop or _due(self.iteration, recipe.snapshot):
            self.save(self.iteration)
        if stop and not done:
            raise KeyboardInterrupt(
                f"stopped after {self.iteration} iterations; --resume continues"
            )


def _due(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0
