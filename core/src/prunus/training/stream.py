"""Samples of every pass: a pure function of seed and pass, so that resuming is exact."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prunus.task import Batch
from prunus.training.job import TrainingJob


def sample_positions(size: int, seed: int, start: int, count: int) -> NDArray[np.int64]:
    """Positions ``(count,)`` of samples ``start .. start + count`` of the endless shuffled stream.

    Every epoch is a permutation drawn from (seed, epoch); a batch may end one epoch
    and begin the next, so no sample is left out.

    Args:
        size: Samples in the data set.
        seed: Seed of the job.
        start: Samples drawn before.
        count: Samples wanted.
    """
    stream = np.arange(start, start + count)
    epochs = stream // size
    result = np.empty(count, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        result[chosen] = _permutation(size, seed, int(epoch))[stream[chosen] % size]
    return result


def read_pass(job: TrainingJob, number: int) -> Batch:
    """The samples of pass ``number`` (from 0), as many as the recipe's batch size.

    Raises:
        DataError: a sample cannot be read.
    """
    size = job.recipe.batch_size
    chosen = sample_positions(len(job.training), job.seed, number * size, size)
    return job.training.read(chosen, np.random.default_rng(pass_seed(job.seed, number)))


def pass_seed(seed: int, number: int) -> int:
    """Seed of everything drawn within one forward and backward pass."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]) >> 1


@lru_cache(maxsize=2)
def _permutation(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    order = np.random.default_rng([seed, epoch]).permutation(size)
    order.flags.writeable = False
    return order
