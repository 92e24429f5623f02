"""Measuring where it can be done: no step but a threshold needs held-out samples."""

from __future__ import annotations

from prunus.errors import DataError
from prunus.evaluation.evaluator import Evaluator
from prunus.network import Network
from prunus.settings import Settings
from prunus.steps.loaded import BEHIND_OPAQUE, Loaded, evaluator_for


def measured_if_possible(
    loaded: Loaded, settings: Settings, reference: Network
) -> tuple[Evaluator | None, str | None]:
    """`evaluator_for`, or why there is none although the network's files name samples.

    Raises:
        DataError: samples or a metric were asked for, and there are none.
    """
    asked = (settings.data, settings.metric, settings.samples, settings.threshold)
    try:
        return evaluator_for(loaded, settings, reference), None
    except DataError as error:
        if any(wish is not None for wish in asked):
            raise
        return None, f"accuracy is not measured: {error}"


def why_unmeasured(settings: Settings, evaluator: Evaluator | None) -> str | None:
    """The reason in a sentence; ``None`` where there is an evaluator."""
    if evaluator is not None:
        return None
    if settings.data is None:
        return "no samples: accuracy is not measured; give --data to see it"
    return BEHIND_OPAQUE
