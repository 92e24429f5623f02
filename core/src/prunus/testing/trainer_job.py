"""The small job that trainers are checked with, and its samples."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.selection import choose_units
from prunus.task import Batch, Dataset, LearningRate, Recipe
from prunus.testing.nets import NETS, as_network
from prunus.training import TrainingJob

ITERATIONS, SNAPSHOT = 12, 4


@attrs.frozen
class Digits:
    """Samples that a small network learns in a few updates: the class shifts the mean.

    Attributes:
        inputs: ``(N, 3, 16, 16)``.
        labels: ``(N,)``, or ``None``.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.inputs)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Samples as they are."""
        labels = None if self.labels is None else self.labels[positions]
        return Batch({"data": self.inputs[positions]}, labels)

    def digest(self) -> str:
        """Always the same data."""
        return f"digits-{len(self)}"


@attrs.frozen
class Unlabelled:
    """The samples of another data set without their labels."""

    samples: Dataset

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Inputs only."""
        return Batch(self.samples.read(positions, rng).inputs)

    def digest(self) -> str:
        """That of the samples, told apart."""
        return f"unlabelled-{self.samples.digest()}"


def small_job(workspace: Path) -> TrainingJob:
    """A pruned residual network and 64 samples of 5 classes."""
    network = as_network(NETS["resnet_projection"](0))
    grouping = find_groups(network)
    draw = np.random.default_rng(0)
    keep = {g.name: choose_units(g, draw.random(g.size), g.size // 2) for g in grouping.groups}
    masked = mask(network, grouping, keep)
    labels = draw.integers(0, 5, 64)
    inputs = draw.standard_normal((64, 3, 16, 16)) + 0.5 * (labels[:, None, None, None] - 2)
    recipe = Recipe(
        learning_rate=LearningRate(base=0.01),
        iterations=ITERATIONS,
        batch_size=16,
        snapshot=SNAPSHOT,
    )
    return TrainingJob(
        masked,
        compact(masked, grouping, keep),
        recipe,
        Digits(inputs.astype(np.float32), labels),
        None,
        None,
        workspace,
        False,
        0,
        lambda _: None,
    )
