"""Checks of training labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Batch, DataError


def labels_of(batch: Batch) -> NDArray[Any]:
    """Labels of a batch.

    Raises:
        DataError: it has none.
    """
    if batch.labels is None:
        raise DataError("the training samples have no labels: use --distill")
    return np.asarray(batch.labels)


def check_classes(labels: NDArray[Any], classes: int) -> None:
    """Refuse class numbers the network does not have.

    Raises:
        DataError: a number below 0 or above ``classes - 1``.
    """
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels.max() if labels.max() >= classes else labels.min()
        raise DataError(
            f"a training label is {wrong}, and the model has classes 0 to {classes - 1}"
        )
