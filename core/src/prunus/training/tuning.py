"""How a finetune differs from the network's own recipe."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from prunus.counted import counted
from prunus.errors import DataError
from prunus.network import Network
from prunus.progress import duration
from prunus.task import Dataset, Recipe

_PASSES = 3
"""Passes forward that a sample of a training costs: one forward, and one back that computes the
derivatives by inputs and by weights."""

_LONG = 20.0
"""Seconds of a training worth announcing."""

_HALF_HOUR = 1800.0
"""Seconds of a training that nobody minds to try."""

_SMALL_BATCH = 32
"""Samples of an update that nobody wants fewer of."""


@attrs.frozen
class Tuning:
    """Options of finetuning alone.

    Attributes:
        distill: Learn from the original network; needs no labels.
        resume: Continue from the newest snapshot.
        epochs, iterations, batch_size, learning_rate, snapshot: Instead of the recipe's.
        options: Trainer options by name.
        regrow: Updates between two choices of the single weights that stay; 0 holds the mask.
    """

    distill: bool = False
    resume: bool = False
    epochs: float | None = None
    iterations: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    snapshot: int | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    regrow: int = 0


def check_samples(dataset: Dataset, *, distill: bool) -> None:
    """Refuse an empty data set, and one without labels unless the original network teaches.

    Raises:
        DataError: that is so.
    """
    if not len(dataset):
        raise DataError("no training samples: the data set is empty")
    if not distill and dataset.read(np.zeros(1, np.int64), None).labels is None:
        raise DataError(
            "the training samples have no labels; learn from the original network without them: "
            "--distill, distill=True in Python"
        )


def own_recipe(network: Network) -> Recipe:
    """The network's recipe, or a plain one."""
    return network.task.recipe or Recipe(weight_decay=1e-4)


def recipe_of(network: Network, tuning: Tuning, training: Dataset) -> Recipe:
    """The network's own recipe with what the user wants otherwise."""
    recipe = own_recipe(network)
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
    return _warmed_up(recipe)


def _warmed_up(recipe: Recipe) -> Recipe:
    """A warm-up that would take more than half of the updates takes a tenth of them."""
    policy = recipe.learning_rate
    if 2 * policy.warm_up <= recipe.iterations:
        return recipe
    return attrs.evolve(recipe, learning_rate=attrs.evolve(policy, warm_up=recipe.iterations // 10))


def warm_up_note(network: Network, recipe: Recipe) -> str | None:
    """That the recipe's own warm-up was shortened; ``None`` where it was not."""
    own = network.task.recipe
    before, after = 0 if own is None else own.learning_rate.warm_up, recipe.learning_rate.warm_up
    if before == after:
        return None
    return (
        f"the recipe warms up for {before:,} updates, most of the {recipe.iterations:,} of this "
        f"training: shortened to {after:,}"
    )


def time_note(recipe: Recipe, milliseconds: float) -> str | None:
    """The time a training will take, and how to take less; ``None`` for a short one.

    Args:
        recipe: How to train.
        milliseconds: Of one sample forward.
    """
    samples = recipe.batch_size * recipe.accumulate
    seconds = expected_seconds(recipe, milliseconds)
    if seconds < _LONG:
        return None
    smaller = " or a smaller --batch-size" if samples > _SMALL_BATCH else ""
    count = brief(recipe, milliseconds)
    shorter = "" if count is None else f", --iterations {count} takes about half an hour"
    return (
        f"training: {counted(recipe.iterations, 'update')} of {counted(samples, 'sample')}, "
        f"roughly {duration(seconds)} on this machine; fewer --iterations{smaller} make it shorter"
        f"{shorter}"
    )


def brief(recipe: Recipe, milliseconds: float) -> int | None:
    """Updates of half an hour, one digit of them; ``None`` where a training is short itself.

    Args:
        recipe: How to train.
        milliseconds: Of one sample forward.
    """
    seconds = expected_seconds(recipe, milliseconds)
    if seconds <= 2 * _HALF_HOUR:
        return None
    count = max(1, int(recipe.iterations * _HALF_HOUR / seconds))
    digits = str(count)
    return int(digits[0].ljust(len(digits), "0"))


def work(recipe: Recipe, macs: int) -> float:
    """Multiply-accumulates of a training by those of one sample forward."""
    return float(_PASSES * macs * recipe.batch_size * recipe.accumulate * recipe.iterations)


def expected_seconds(recipe: Recipe, milliseconds: float) -> float:
    """Time of a training by the time of one sample forward: it goes back too, at twice the cost."""
    samples = recipe.batch_size * recipe.accumulate * recipe.iterations
    return _PASSES * milliseconds * samples / 1e3
