"""Compile settings of a Keras model -> how it is trained and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prunus.plugin import LearningRate, Loss, Metric, Recipe, Task
from prunus_tensorflow.keras_model.metric import metric_of

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
    name = loss_name(model.loss)
    kind = _LOSSES.get(name)
    losses = (Loss(kind, (outputs[0],)),) if kind and len(outputs) == 1 else ()
    return Task(
        metric=_metric(model, name, outputs),
        recipe=Recipe(
            solver=solver,
            learning_rate=LearningRate("fixed", rate if rate is not None else 1e-3),
            momentum=momentum,
            losses=losses,
            dropout=dropout,
            batch_size=32,
            bn_momentum=0.99,
        ),
    )


def _metric(model: Any, loss: str, outputs: Sequence[str]) -> Metric | None:
    """The metric of a model whose one output is the network's."""
    if len(model.outputs) != 1 or len(outputs) != 1:
        return None
    symbol = model.outputs[0]
    layer = symbol._keras_history.operation
    made = getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__)
    return metric_of(loss, outputs[0], symbol.shape, made.lower() == "sigmoid")


def learning_rate(optimizer: Any) -> float | None:
    """Current rate; ``None`` without an optimizer or with one that cannot say."""
    try:
        return float(optimizer.learning_rate.numpy())
    except (AttributeError, TypeError, ValueError):
        return None


def loss_name(loss: Any) -> str:
    """Keras' snake-case name of a loss given as text, function or object."""
    if isinstance(loss, str):
        return {"mse": "mean_squared_error", "mae": "mean_absolute_error"}.get(loss, loss)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return str(name)
