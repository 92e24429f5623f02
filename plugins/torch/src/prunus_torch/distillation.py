"""Distillation of the original network's raw outputs; needs no labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from prunus.plugin import Loss
from prunus_torch.heads import Head, head_of
from prunus_torch.processes import processes_now, together

Imitation = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
"""Values of the student and of the teacher -> scalar."""

TINY = 1e-12


def build_distillation(
    model: ir.Model, losses: Sequence[Loss], temperature: float
) -> tuple[Imitation, tuple[str, ...]]:
    """The sum over graph outputs of their distance to the teacher's.

    Outputs of a classifier (a final Softmax, or a softmax loss in the recipe) by the
    Kullback-Leibler divergence of their softened scores, times the squared temperature;
    all others by the squared difference over the teacher's variance, which makes
    outputs of different size equally important.

    Returns:
        The loss and the values it reads from both networks.
    """
    heads = [head_of(model, str(value.name)) for value in model.graph.outputs]
    last = str(model.graph.outputs[-1].name)
    classified = {
        name
        for loss in losses
        if loss.kind == "softmax_cross_entropy"
        for name in (loss.outputs or (last,))
    }
    chosen = [
        (head, head.activation in ("Softmax", "LogSoftmax") or head.output in classified)
        for head in heads
    ]

    def distillation(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for head, classes in chosen:
            own, wanted = student[head.value], teacher[head.value]
            total = total + (
                divergence(own, wanted, head, temperature) if classes else distance(own, wanted)
            )
        return total

    return distillation, tuple(dict.fromkeys(head.value for head in heads))


def divergence(student: Tensor, teacher: Tensor, head: Head, temperature: float) -> Tensor:
    """``T² · KL(teacher ‖ student)`` of softened scores, mean over all but the class axis."""
    own = functional.log_softmax(student / temperature, head.axis)
    wanted = functional.log_softmax(teacher / temperature, head.axis)
    positions = own.numel() / own.shape[head.axis]
    return (wanted.exp() * (wanted - own)).sum() * (temperature**2 / positions)


def distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference over the variance of the teacher's values, of all processes."""
    variance, mean = torch.var_mean(teacher.reshape(-1, 1), 0, correction=0)
    _, variance = together(mean, variance, processes_now())
    return functional.mse_loss(student, teacher) / (variance[0] + TINY)
