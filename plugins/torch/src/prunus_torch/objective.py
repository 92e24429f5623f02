"""Objective of a training: the loss of a batch, with labels or beside a teacher."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import torch
from torch import Tensor

from prunus.plugin import Batch, DataError, Loss, Network, TrainingJob
from prunus_torch.distillation import build_distillation
from prunus_torch.executor import Program
from prunus_torch.losses import build_term
from prunus_torch.parameters import Variables
from prunus_torch.settings import Settings
from prunus_torch.state import placed


@attrs.frozen(eq=False)
class Objective:
    """The loss that training makes small.

    Attributes:
        loss: A batch and the variables by name -> a scalar.
        reads: Names of the variables that it reads.
    """

    loss: Callable[[Batch, dict[str, Tensor]], Tensor]
    reads: frozenset[str]


def build_objective(
    job: TrainingJob, variables: Variables, settings: Settings, device: torch.device
) -> Objective:
    """The recipe's losses, or distillation of the job's teacher.

    Raises:
        ModelError: the graph holds what the trainer cannot run.
        UsageError: a loss does not fit the graph.
    """
    if job.teacher is None:
        return _supervised(job, variables, device)
    return _distilled(job, job.teacher, variables, settings, device)


def _supervised(job: TrainingJob, variables: Variables, device: torch.device) -> Objective:
    losses = job.recipe.losses or (Loss("softmax_cross_entropy", ()),)
    terms = [build_term(loss, job.compact.model) for loss in losses]
    values = tuple(dict.fromkeys(name for _, names in terms for name in names))
    program = _program(job, variables, values, device)

    def loss(batch: Batch, weights: dict[str, Tensor]) -> Tensor:
        found = program.run(_tensors(batch, device), weights)
        return sum((term(found, batch.labels) for term, _ in terms), torch.zeros((), device=device))

    return Objective(loss, program.reads)


def _distilled(
    job: TrainingJob,
    teacher: Network,
    variables: Variables,
    settings: Settings,
    device: torch.device,
) -> Objective:
    distillation, values = build_distillation(
        job.compact.model, job.recipe.losses, settings.temperature
    )
    program = _program(job, variables, values, device)
    example = Program(teacher.model, values)
    example.to(device)

    def loss(batch: Batch, weights: dict[str, Tensor]) -> Tensor:
        inputs = _tensors(batch, device)
        with torch.no_grad():
            wanted = example.run(inputs, {})
        return distillation(program.run(inputs, weights), wanted)

    return Objective(loss, program.reads)


def _program(
    job: TrainingJob, variables: Variables, values: tuple[str, ...], device: torch.device
) -> Program:
    recipe = job.recipe
    program = Program(
        job.compact.model,
        values,
        variables=variables.names,
        statistics=None if recipe.bn_frozen else 1 - recipe.bn_momentum,
        dropout=recipe.dropout,
    )
    program.to(device)
    return program


def _tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    if not len(batch):
        raise DataError("the data set gave an empty batch")
    return {
        name: placed(torch.from_numpy(np.asarray(x, order="C")), device)
        for name, x in batch.inputs.items()
    }
