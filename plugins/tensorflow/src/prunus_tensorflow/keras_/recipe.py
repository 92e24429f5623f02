"""Compile settings of a Keras model -> how it is trained and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prunus.task import LearningRate, Loss, Recipe, Task

_SOLVERS = {"SGD": "SGD", "Adam": "Adam", "AdamW": "Adam", "Adagrad": "AdaGrad"}
_LOSSES = {
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "binary_crossentropy": "sigmoid_cross_entropy",
    "mean_squared_error": "euclidean",
    "mse": "euclidean",
}


def task_of(model: Any, dropout: Mapping[str, float], outputs: Sequence[str]) -> Task:
    """The task a compiled model states; nothing for what was never compiled.

    The recipe speaks to every trainer; the trainer ``tensorflow`` reads the compile
    settings themselves.
    """
    if not getattr(model, "compiled", False):
        return Task(recipe=Recipe(dropout=dropout, weight_decay=1e-4)) if dropout else Task()
    optimizer = model.optimizer
    solver = _SOLVERS.get(type(optimizer).__name__, "Adam")
    rate = learning_rate(optimizer)
    momentum = 0.9 if solver == "Adam" else float(getattr(optimizer, "momentum", 0.0) or 0.0)
    if solver == "SGD" and getattr(optimizer, "nesterov", False):
        solver = "Nesterov"
    kind = _LOSSES.get(loss_name(model.loss))
    losses = (Loss(kind, (outputs[0],)),) if kind and len(outputs) == 1 else ()
    return Task(
        recipe=Recipe(
            solver=solver,
            learning_rate=LearningRate("fixed", rate if rate is not None else 1e-3),
            momentum=momentum,
            losses=losses,
            dropout=dropout,
            batch_size=32,
            bn_momentum=0.99,
        )
    )


def learning_rate(optimizer: Any) -> float | None:
    """Current rate; ``None`` without an optimizer or with one that cannot say."""
    try:
        return float(optimizer.learning_rate.numpy())
    except (AttributeError, TypeError, ValueError):
        return None


def loss_name(loss: Any) -> str:
    """Keras' snake-case name of a loss given as text, function or object."""
    if isinstance(loss, str):
        return {"mse": "mean_squared_error"}.get(loss, loss)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return str(name)
