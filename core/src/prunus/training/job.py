"""Inputs and reports of a trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.network import Compact, Network
from prunus.task import Dataset, Measurement, Recipe
from prunus.third_party import of_caller

Weights = Mapping[str, NDArray[np.generic]]
"""Initializer name -> array."""

_SPLICED = 0.75
"""Share of the updates in which masks change; then the weights settle."""


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
class Splicing:
    """Masks that change while they are trained (Guo, Yao, Chen, NIPS 2016).

    The trainer keeps the values of masked weights too, runs the network with the masked ones at
    zero, and gives every weight the gradient that it has there.

    Attributes:
        interval: Updates between two choices; the last choice is made before three quarters of all
            updates.
        choose: Initializer name -> values of its weights, masked ones too; gives the new masks,
            of as many weights as before.
    """

    interval: int
    choose: Callable[[Weights], Mapping[str, NDArray[np.bool_]]]

    def due(self, iteration: int, iterations: int) -> bool:
        """Whether masks are chosen anew before update ``iteration``, counted from 0."""
        within = 0 < iteration <= iterations * _SPLICED
        return within and iteration % self.interval == 0


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
        masks: Initializer name -> mask of its single weights, of the compact shape, True for those
            that stay; others are zero before and after every update.
        splicing: How masks change, or ``None``: they are held.
        shared: Initializer name -> number of the value that each weight shares, of the compact
            shape: weights of one number are equal before and after every update, and follow the sum
            of their gradients; -1: the weight is zero and stays so.
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
    report: Callable[[Progress], None] = attrs.field(converter=of_caller)
    options: Mapping[str, str] = attrs.field(factory=dict)
    allow_code: bool = False
    masks: Mapping[str, NDArray[np.bool_]] = attrs.field(factory=dict)
    splicing: Splicing | None = None
    shared: Mapping[str, NDArray[np.int16]] = attrs.field(factory=dict)
