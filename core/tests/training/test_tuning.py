from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.evaluation.data import ArrayDataset
from prunus.task import LearningRate, Recipe, Task
from prunus.training.tuning import Tuning, brief, recipe_of, time_note, warm_up_note, work


def trained(network, warm_up, iterations, **recipe):
    """The network with a recipe, and what becomes of that in a training of so many updates."""
    own = Recipe(learning_rate=LearningRate("constant", warm_up=warm_up), iterations=9000, **recipe)
    network = attrs.evolve(network, task=Task(recipe=own))
    data = ArrayDataset("x", np.zeros((4, 1), np.float32))
    return network, recipe_of(network, Tuning(iterations=iterations), data)


@pytest.mark.parametrize(
    ("warm_up", "iterations", "left"), [(4000, 20, 2), (100, 200, 100), (100, 199, 19), (0, 1, 0)]
)
def test_a_warm_up_of_most_of_the_training_is_shortened(lenet, warm_up, iterations, left):
    _, recipe = trained(lenet, warm_up, iterations)
    assert recipe.learning_rate.warm_up == left


def test_a_shortened_warm_up_is_told(lenet):
    assert warm_up_note(*trained(lenet, 4000, 20)) == (
        "the recipe warms up for 4,000 updates, most of the 20 of this training: shortened to 2"
    )
    assert warm_up_note(*trained(lenet, 100, 200)) is None
    assert warm_up_note(lenet, Recipe()) is None


@pytest.mark.parametrize(
    ("batch", "iterations", "note"),
    [
        (128, 2000, "training: 2,000 updates of 128 samples, roughly 26 min on this machine; fewer --iterations or a smaller --batch-size make it shorter"),
        (16, 1000, "training: 1,000 updates of 32 samples, roughly 3 min on this machine; fewer --iterations make it shorter"),
        (16, 10, None),
    ],
)  # fmt: skip
def test_a_long_training_is_announced(batch, iterations, note):
    recipe = Recipe(batch_size=batch, accumulate=1 if batch > 16 else 2, iterations=iterations)
    assert time_note(recipe, 2.0) == note


def test_a_very_long_training_comes_with_a_short_one():
    recipe = Recipe(batch_size=64, iterations=500_000)
    assert time_note(recipe, 9.44) == (
        "training: 500,000 updates of 64 samples, roughly 251.7 h on this machine; fewer "
        "--iterations or a smaller --batch-size make it shorter, --iterations 900 takes about half "
        "an hour"
    )
    assert brief(recipe, 9.44) == 900
    assert brief(recipe, 1e6) == 1
    assert brief(attrs.evolve(recipe, iterations=5000), 3.0) is None
    assert work(recipe, 10) == 3 * 10 * 64 * 500_000
