"""Update rules by Caffe's formulas, and Darknet's.

Sources: Caffe ``src/caffe/solvers/{sgd,nesterov,adagrad,rmsprop,adadelta,adam}_solver.cpp``
(``ApplyUpdate``: clip, normalise, regularise, update value); Darknet
``src/convolutional_layer.c`` ``update_convolutional_layer``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from prunus.plugin import Recipe, UsageError

History = Mapping[str, Sequence[Tensor]]
"""Parameter name -> the solver's memory of it, tensors of the parameter's shape."""

Rule = Callable[[Tensor, Tensor, Sequence[Tensor], float, int, Recipe], None]
"""Weight, regularised gradient (may be overwritten), history, local rate, iteration, recipe."""


def new_history(recipe: Recipe, parameters: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
    """Zeros, as every solver starts.

    Raises:
        UsageError: the recipe's solver or regularisation is not known.
    """
    if recipe.solver not in RULES:
        raise UsageError(
            f"solver '{recipe.solver}' is not known; use one of {', '.join(sorted(RULES))}"
        )
    if recipe.regularization not in ("L1", "L2"):
        raise UsageError(f"regularization '{recipe.regularization}' is not known; use L1 or L2")
    count = RULES[recipe.solver][1]
    return {
        name: [torch.zeros_like(tensor, requires_grad=False) for _ in range(count)]
        for name, tensor in parameters.items()
    }


@torch.no_grad()
def update(
    recipe: Recipe, parameters: Mapping[str, Tensor], history: History, rate: float, iteration: int
) -> None:
    """Apply the gradients summed in ``.grad`` and clear them.

    A parameter no loss depends on has no gradient and stays as it is (Caffe would
    let weight decay wear it down).

    Args:
        recipe: Solver and its constants.
        parameters: Name -> leaf tensor.
        history: Memory of the solver, changed in place.
        rate: Learning rate of this update.
        iteration: Updates done before this one.
    """
    rule = RULES[recipe.solver][0]
    gradients = {name: t.grad for name, t in parameters.items() if t.grad is not None}
    factor = _clipping(recipe, list(gradients.values())) / recipe.accumulate
    for name, gradient in gradients.items():
        weight = parameters[name]
        if factor != 1:
            gradient.mul_(factor)
        decay = recipe.weight_decay * recipe.decay_mult.get(name, 1.0)
        if decay:
            gradient.add_(weight if recipe.regularization == "L2" else weight.sign(), alpha=decay)
        rule(
            weight, gradient, history[name], rate * recipe.lr_mult.get(name, 1.0), iteration, recipe
        )
        weight.grad = None


def _clipping(recipe: Recipe, gradients: Sequence[Tensor]) -> float:
    """Factor that brings the summed gradients to the bound; before division by ``iter_size``."""
    if recipe.clip_gradients is None or recipe.clip_gradients < 0 or not gradients:
        return 1.0
    norm = math.sqrt(sum(float(torch.linalg.vector_norm(g)) ** 2 for g in gradients))
    return min(1.0, recipe.clip_gradients / norm) if norm > 0 else 1.0


def _sgd(w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe) -> None:
    velocity = history[0].mul_(r.momentum).add_(g, alpha=rate)
    w.sub_(velocity)


def _nesterov(
    w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe
) -> None:
    old = history[0].clone()
    velocity = history[0].mul_(r.momentum).add_(g, alpha=rate)
    w.sub_(velocity, alpha=1 + r.momentum).add_(old, alpha=r.momentum)


def _adagrad(
    w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe
) -> None:
    squares = history[0].addcmul_(g, g)
    w.addcdiv_(g, squares.sqrt().add_(r.delta), value=-rate)


def _rmsprop(
    w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe
) -> None:
    squares = history[0].mul_(r.rms_decay).addcmul_(g, g, value=1 - r.rms_decay)
    w.addcdiv_(g, squares.sqrt().add_(r.delta), value=-rate)


def _adadelta(
    w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe
) -> None:
    squares, changes = history
    squares.mul_(r.momentum).addcmul_(g, g, value=1 - r.momentum)
    change = ((changes + r.delta) / (squares + r.delta)).sqrt_().mul_(g)
    changes.mul_(r.momentum).addcmul_(change, change, value=1 - r.momentum)
    w.sub_(change, alpha=rate)


def _adam(w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe) -> None:
    mean, squares = history
    mean.mul_(r.momentum).add_(g, alpha=1 - r.momentum)
    squares.mul_(r.momentum2).addcmul_(g, g, value=1 - r.momentum2)
    correction = math.sqrt(1 - r.momentum2 ** (t + 1)) / (1 - r.momentum ** (t + 1))
    w.addcdiv_(mean, squares.sqrt().add_(r.delta), value=-rate * correction)


def _darknet(
    w: Tensor, g: Tensor, history: Sequence[Tensor], rate: float, t: int, r: Recipe
) -> None:
    velocity = history[0].mul_(r.momentum).add_(g)
    w.sub_(velocity, alpha=rate)


RULES: dict[str, tuple[Rule, int]] = {
    "AdaDelta": (_adadelta, 2),
    "AdaGrad": (_adagrad, 1),
    "Adam": (_adam, 2),
    "Nesterov": (_nesterov, 1),
    "RMSProp": (_rmsprop, 1),
    "SGD": (_sgd, 1),
    "darknet": (_darknet, 1),
}
"""Solver -> rule and number of history tensors a parameter."""
