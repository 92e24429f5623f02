from __future__ import annotations

from prunus.task import LearningRate, Recipe
from prunus.training.tuning import recipe_notes


def test_a_warm_up_longer_than_the_training_is_told():
    rate = LearningRate("constant", warm_up=100)
    assert recipe_notes(Recipe(learning_rate=rate, iterations=100)) == ()
    assert recipe_notes(Recipe(learning_rate=rate, iterations=99)) == (
        "the learning rate was still rising when the training ended: its warm-up takes 100 "
        "updates of 99; shorten it in the recipe",
    )
