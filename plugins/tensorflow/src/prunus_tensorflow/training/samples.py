"""The batches of a job, each a pure function of seed and number, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Batch, DataError, TrainingJob

Targets = Callable[[Batch], Any]
"""Targets for the outputs in Keras, from one batch."""


@attrs.frozen(eq=False)
class Batches:
    """The endless shuffled stream of a job.

    Every epoch is a permutation drawn from (seed, epoch); a batch may end one epoch and
    begin the next, so no sample is left out.

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
        job = self.job
        size = job.recipe.batch_size
        chosen = _positions(len(job.training), job.seed, number * size, size)
        seed = int(np.random.SeedSequence([job.seed, number]).generate_state(1, np.uint64)[0] >> 1)
        found = job.training.read(chosen, np.random.default_rng(seed))
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


def _positions(size: int, seed: int, start: int, count: int) -> NDArray[np.int64]:
    stream = np.arange(start, start + count)
    epochs = stream // size
    result = np.empty(count, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        result[chosen] = _permutation(size, seed, int(epoch))[stream[chosen] % size]
    return result


@lru_cache(maxsize=2)
def _permutation(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    order = np.random.default_rng([seed, epoch]).permutation(size)
    order.flags.writeable = False
    return order
