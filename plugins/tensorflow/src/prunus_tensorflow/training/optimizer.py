"""The optimizer of a job: the user's own with the recipe's learning rate, or the recipe's."""

from __future__ import annotations

from typing import Any

from prunus.plugin import Recipe
from prunus_tensorflow.keras_model.recipe import learning_rate


def optimizer_for(
    model: Any, recipe: Recipe, network_rate: float | None, *, decay: bool = False
) -> Any:
    """A fresh optimizer.

    Args:
        model: The model to train, compiled or not.
        recipe: The recipe; its base learning rate may be the user's.
        network_rate: The rate the files state: a schedule is kept while the recipe agrees.
        decay: Let the rate fall along a cosine to zero at the last update (SGDR, Loshchilov and
            Hutter, ICLR 2017, without restarts).
    """
    import keras

    if getattr(model, "compiled", False) and model.optimizer is not None:
        kind, settings = type(model.optimizer), model.optimizer.get_config()
        stated = learning_rate(model.optimizer) if network_rate is None else network_rate
        if recipe.learning_rate.base != stated:
            settings["learning_rate"] = recipe.learning_rate.base
    elif recipe.solver == "Adam":
        kind, settings = keras.optimizers.AdamW, {"learning_rate": recipe.learning_rate.base}
        settings["weight_decay"] = recipe.weight_decay
    else:
        kind = keras.optimizers.SGD
        settings = {
            "learning_rate": recipe.learning_rate.base,
            "momentum": recipe.momentum,
            "nesterov": recipe.solver == "Nesterov",
            "weight_decay": recipe.weight_decay or None,
        }
    if decay:
        settings["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate.base, recipe.iterations
        )
    if recipe.accumulate > 1:
        settings["gradient_accumulation_steps"] = recipe.accumulate
    if recipe.clip_gradients is not None and not settings.get("clipnorm"):
        settings["global_clipnorm"] = recipe.clip_gradients
    return kind.from_config(settings)
