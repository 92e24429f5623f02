"""Inputs and reports of a trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.network import Compact, Network
from prunus.task import Dataset, Measurement, Recipe

Weights = Mapping[str, NDArray[np.generic]]


@attrs.frozen
class Progress:
    """One line of training progress.

    Attributes:
        iteration, iterations: Updates done and to do.
        loss: Smoothed training loss.
        learning_rate: Rate of the last update.
        metric: Last evaluation, if there was one.
    """

    iteration: int
    iterations: int
    loss: float
    learning_rate: float
    metric: Measurement | None = None


@attrs.frozen(eq=False)
class TrainingJob:
    """Train the compact network; the core scatters the weights back.

    Attributes:
        network: The masked network, full structure.
        compact: Its compact form: the graph to train.
        recipe: How to train it.
        training: Training samples (labels needed unless ``teacher`` is given).
        evaluate: Compact weights -> metric on held-out samples, or ``None``.
        teacher: The original network to learn from (``--distill``), or ``None``.
        workspace: Existing directory for snapshots.
        resume: Continue from the newest snapshot in ``workspace``.
        seed: Seed of everything random.
        report: Called with progress.
        options: Given values of the options the trainer's descriptor declares.
        allow_code: The user's word that Python named by the network's files may run.
    """

    network: Network
    compact: Compact
    recipe: Recipe
    training: Dataset
    evaluate: Callable[[Weights], Measurement] | None
    teacher: Network | None
    workspace: Path
    resume: bool
    seed: int
    report: Callable[[Progress], None]
    options: Mapping[str, str] = attrs.field(factory=dict)
    allow_code: bool = False
