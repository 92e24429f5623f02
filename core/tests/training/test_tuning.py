from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.evaluation.data import ArrayDataset
from prunus.task import LearningRate, Recipe, Task
from prunus.training.tuning import Tuning, recipe_of, time_note, warm_up_note


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
