"""The batches of a job, each a pure function of seed and number, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from prunus.plugin import Batch, DataError, TrainingJob, read_pass

Targets = Callable[[Batch], Any]
"""Targets for the outputs in Keras, from one batch."""


@attrs.frozen(eq=False)
class Batches:
    """The endless shuffled stream of a job as Keras takes it.

    Attributes:
        job: Samples, batch size, seed.
        inputs: Graph inputs in the order of the Keras model's inputs.
        targets: Makes the targets.
    """

    job: TrainingJob
    inputs: Sequence[str]
    targets: Targets

    def batch(self, number: int) -> Batch:
        """Samples of pass ``number``.

        Raises:
            DataError: the data set gave nothing, or not what the model takes.
        """
        found = read_pass(self.job, number)
        missing = [name for name in self.inputs if name not in found.inputs]
        if not len(found) or missing:
            raise DataError(
                f"the training samples hold no input '{missing[0]}'"
                if missing
                else "the data set gave an empty batch"
            )
        return found

    def stream(self, start: int) -> Iterator[tuple[Any, Any]]:
        """Keras' ``(x, y)`` from pass ``start`` on."""
        number = start
        while True:
            one = self.batch(number)
            arrays = [np.ascontiguousarray(one.inputs[name], np.float32) for name in self.inputs]
            yield (tuple(arrays) if len(arrays) > 1 else arrays[0]), self.targets(one)
            number += 1
