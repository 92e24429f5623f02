"""Trainings whose numbers are lost, told in one way by every trainer."""

from __future__ import annotations

import math

from prunus.errors import UsageError

SLOWER = "lower the learning rate (--learning-rate)"


def check_loss(loss: float, iteration: int, rate: float) -> None:
    """Check the training loss of an update.

    Args:
        loss: The loss.
        iteration: Updates done.
        rate: Learning rate of the update.

    Raises:
        UsageError: it is not finite.
    """
    if not math.isfinite(loss):
        raise UsageError(
            f"training diverged at iteration {iteration}: the loss is {loss}; lower the learning "
            f"rate (now {rate:g}, --learning-rate)"
        )


def check_metric(name: str, value: float) -> None:
    """Check the metric of the network as it is trained so far.

    Raises:
        UsageError: it is not finite.
    """
    if not math.isfinite(value):
        raise UsageError(f"training diverged: the network's {name} is no number any more; {SLOWER}")
