"""Inputs for criteria and for compensated weights; labels are not used."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.counted import counted
from prunus.errors import DataError
from prunus.evaluation.choice import calibration_count, some_inputs
from prunus.evaluation.evaluator import Evaluator
from prunus.settings import Settings
from prunus.steps.loaded import Loaded, training_data
from prunus.steps.sample_check import sample_warning


@attrs.frozen(eq=False)
class Calibration:
    """Some inputs and where they are from.

    Attributes:
        inputs: Graph input name -> ``(N, ...)``, or ``None`` without any samples.
        note: A sentence for the user, if there is something to know.
    """

    inputs: Mapping[str, NDArray[np.float32]] | None
    note: str | None = None


def calibrate(loaded: Loaded, settings: Settings, evaluator: Evaluator | None) -> Calibration:
    """Training inputs where there are any, else those of the evaluation.

    Args:
        loaded: The network.
        settings: Training samples, if they name any.
        evaluator: Held-out samples, or ``None`` without data.

    Raises:
        DataError: the settings name samples that cannot be used.
    """
    spec, count = settings.train_data, calibration_count(loaded.network)
    try:
        training = training_data(loaded, settings)
        found = None if training is None else some_inputs(training, loaded.network, count)
        if training is not None and found is not None:
            warning = sample_warning(loaded.network, training, spec, "--train-data")
            return Calibration(found, warning)
    except DataError as error:
        if spec is not None:
            raise
        why = f"the network's own training samples cannot be read ({error})"
    else:
        why = "no training samples are known"
    if evaluator is None:
        return Calibration(None)
    inputs = evaluator.calibration(count)
    used = counted(len(next(iter(inputs.values()))), "input")
    return Calibration(
        inputs,
        f"{why}: weights are compensated with {used} of the evaluation, without labels; "
        "--train-data keeps them apart",
    )
