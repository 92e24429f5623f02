"""How a finetune differs from the network's own recipe."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from prunus.errors import DataError
from prunus.network import Network
from prunus.task import Dataset, Recipe


@attrs.frozen
class Tuning:
    """Options of finetuning alone.

    Attributes:
        data: Training samples; the network's own without it.
        distill: Learn from the original network; needs no labels.
        resume: Continue from the newest snapshot.
        epochs, iterations, batch_size, learning_rate, snapshot: Instead of the recipe's.
        options: Trainer options by name.
    """

    data: str | None = None
    distill: bool = False
    resume: bool = False
    epochs: float | None = None
    iterations: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    snapshot: int | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)


def check_samples(dataset: Dataset, *, distill: bool) -> None:
    """Refuse an empty data set, and one without labels unless the original network teaches.

    Raises:
        DataError: that is so.
    """
    if not len(dataset):
        raise DataError("no training samples: the data set is empty")
    if not distill and dataset.read(np.zeros(1, np.int64), None).labels is None:
        raise DataError(
            "the training samples have no labels; use --distill to learn from the original network"
        )


def recipe_of(network: Network, tuning: Tuning, training: Dataset) -> Recipe:
    """The network's own recipe with what the user wants otherwise."""
    recipe = network.task.recipe or Recipe(weight_decay=1e-4)
    if tuning.batch_size is not None:
        recipe = attrs.evolve(recipe, batch_size=tuning.batch_size)
    if tuning.learning_rate is not None:
        policy = attrs.evolve(recipe.learning_rate, base=tuning.learning_rate)
        recipe = attrs.evolve(recipe, learning_rate=policy)
    if tuning.snapshot is not None:
        recipe = attrs.evolve(recipe, snapshot=tuning.snapshot)
    if tuning.iterations is not None:
        recipe = attrs.evolve(recipe, iterations=tuning.iterations)
    elif tuning.epochs is not None:
        update = recipe.batch_size * recipe.accumulate
        count = max(1, round(tuning.epochs * len(training) / update))
        recipe = attrs.evolve(recipe, iterations=count)
    return recipe


def recipe_notes(recipe: Recipe) -> tuple[str, ...]:
    """The reason why a recipe is useless for so short a training."""
    warm_up = recipe.learning_rate.warm_up
    if warm_up <= recipe.iterations:
        return ()
    return (
        f"the learning rate was still rising when the training ended: its warm-up takes {warm_up} "
        f"updates of {recipe.iterations}; shorten it in the recipe",
    )
