"""Second derivatives of the loss by single weights: the diagonal that OBD asks for.

By the approximation of Gauss and Newton, as LeCun, Denker, Solla 1990 use it (Levenberg and
Marquardt, section 3): h_kk = mean over samples of sum over c of (d<s_c, z>/dw_k)^2, where z are the
scores that the loss reads and the columns s_c make the second derivative of the loss by z. The loss
is the recipe's; without one it is that of the final activation. With p of softmax or sigmoid it is
diag(p) - p p^T for softmax cross-entropy, diag(p (1 - p)) for sigmoid cross-entropy, and the
identity for squared error, the paper's loss, and for all others. No labels are needed.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunus.plugin import Network
from prunus_torch.executor import Program
from prunus_torch.heads import Head, head_of
from prunus_torch.losses import scores_of

_EXACT = 64
"""Outputs up to which every column is used; of more so many random combinations."""

_USUAL = {
    "Softmax": "softmax_cross_entropy",
    "LogSoftmax": "softmax_cross_entropy",
    "Sigmoid": "sigmoid_cross_entropy",
}
"""Final activation -> kind of the loss that networks with it are trained by."""


def diagonal(
    network: Network,
    initializer: str,
    samples: Mapping[str, NDArray[np.float32]],
    seed: int,
) -> NDArray[np.float64]:
    """``h_kk`` of one weight, of its shape; not negative.

    Args:
        network: The network.
        initializer: Name of the weight.
        samples: Graph input name -> ``(N, ...)``.
        seed: Of the random combinations.

    Raises:
        ModelError: the graph holds an operator that torch does not run here.
    """
    model = network.model
    parts = _parts(network)
    program = Program(
        model, tuple(dict.fromkeys(part.head.value for part in parts)), variables=(initializer,)
    )
    stored = model.graph.initializers[initializer].const_value
    assert stored is not None
    weight = torch.from_numpy(np.array(stored.numpy(), np.float32)).requires_grad_()
    draw = torch.Generator().manual_seed(seed)
    count = len(next(iter(samples.values())))
    total = torch.zeros_like(weight, dtype=torch.float64, requires_grad=False)
    for index in range(count):
        one = {name: torch.from_numpy(array[index : index + 1]) for name, array in samples.items()}
        found = program.run(one, {initializer: weight})
        for part in parts:
            scores = found[part.head.value]
            if scores.requires_grad:
                total += _squares(scores, weight, _columns(scores, part, draw))
    return (total / count).numpy()


@attrs.frozen
class _Part:
    """Scores behind one graph output, and the kind of loss that reads them."""

    head: Head
    kind: str


def _parts(network: Network) -> tuple[_Part, ...]:
    """All outputs: by the recipe's losses, or by their final activation."""
    recipe, model = network.task.recipe, network.model
    outputs = [str(value.name) for value in model.graph.outputs]
    kinds = {
        name: loss.kind
        for loss in (() if recipe is None else recipe.losses)
        for name in (loss.outputs or (outputs[-1],))
    }
    parts = []
    for output in outputs:
        kind = kinds.get(output) or _USUAL.get(head_of(model, output).activation, "euclidean")
        parts.append(_Part(scores_of(kind, model, output), kind))
    return tuple(parts)


def _columns(scores: Tensor, part: _Part, draw: torch.Generator) -> Tensor:
    """``(columns, *scores.shape)``: their outer products sum to the second derivative."""
    size = scores.numel()
    if size <= _EXACT:
        mixed = torch.eye(size)
    else:
        mixed = torch.randn((_EXACT, size), generator=draw) / _EXACT**0.5
    mixed = mixed.reshape(-1, *scores.shape)
    if part.kind == "sigmoid_cross_entropy":
        chance = scores.detach().sigmoid()
        return mixed * (chance * (1 - chance)).sqrt()
    if part.kind != "softmax_cross_entropy":
        return mixed
    axis = part.head.axis % scores.ndim
    chance = scores.detach().softmax(axis)
    # S = diag(sqrt p) - p sqrt(p)^T gives S S^T = diag(p) - p p^T
    weighted = mixed * chance.sqrt()
    return weighted - chance * weighted.sum(axis + 1, keepdim=True)


def _squares(scores: Tensor, weight: Tensor, columns: Tensor) -> Tensor:
    """Sum over columns of the squared gradients."""
    (found,) = torch.autograd.grad(scores, weight, columns, is_grads_batched=True)
    return found.square().sum(0, dtype=torch.float64)
