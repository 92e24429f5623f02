"""The training loop."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import torch

from prunus.plugin import (
    Batch,
    DataError,
    Snapshots,
    TrainingJob,
    TrainingLoop,
    UsageError,
    Weights,
    deferred,
    pass_seed,
    read_pass,
)
from prunus_torch import TRAINER, solvers
from prunus_torch.digests import digests_of
from prunus_torch.masks import masks_of
from prunus_torch.objective import Objective, build_objective
from prunus_torch.parameters import Variables, variables_of
from prunus_torch.schedule import learning_rate
from prunus_torch.settings import Settings, device_of, settings_from, torch_set
from prunus_torch.shared import SharedValues, shared_values
from prunus_torch.state import State, first_state


def train(job: TrainingJob) -> Weights:
    """Train the compact network of a job.

    Returns:
        Every parameter and running statistic after the last update.

    Raises:
        DataError: samples do not fit, or labels are missing.
        ModelError: the graph holds what the trainer cannot run.
        StaleError: the snapshot to resume belongs to another job.
        UsageError: the recipe or an option cannot be used, or training diverged.
        KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
    """
    settings = settings_from(job.options)
    if settings.batchnorm == "frozen":
        job = attrs.evolve(job, recipe=attrs.evolve(job.recipe, bn_frozen=True))
    with torch_set(settings), deferred() as interrupted:
        return _train(job, settings, interrupted)


def _train(job: TrainingJob, settings: Settings, interrupted: Callable[[], bool]) -> Weights:
    device = device_of(settings)
    variables = variables_of(job.compact.model, job.network.bindings)
    _check(job, variables)
    snapshots = Snapshots(job.workspace, TRAINER, digests_of(job, settings))
    masks = masks_of(job, device)
    state = first_state(job.compact.model, variables, job.recipe, device, masks)

    def save(iteration: int, loss: float) -> None:
        snapshots.save(state.snapshot(iteration, loss))

    loop = TrainingLoop(job, state.arrays, save, interrupted)
    found = snapshots.newest(job.recipe.iterations) if job.resume else None
    if found is not None:
        state.restore(found)
        loop.iteration, loop.loss = found.iteration, found.loss
    objective = build_objective(job, variables, settings, device)
    shared = shared_values(job, device)
    while not loop.done:
        loop.advance(*_update(job, state, loop.iteration, objective, shared))
    return state.arrays()


def _check(job: TrainingJob, variables: Variables) -> None:
    if not variables.parameters:
        raise UsageError("nothing to train: the network has no weights")
    if not len(job.training):
        raise DataError("no training samples: the data set is empty")


def _update(
    job: TrainingJob, state: State, iteration: int, objective: Objective, shared: SharedValues
) -> tuple[float, float]:
    """One update of the weights; gives its loss and its learning rate."""
    recipe, masks = job.recipe, state.masks
    if job.splicing is not None and job.splicing.due(iteration, recipe.iterations):
        masks.choose(job, state.weights)
    rate = learning_rate(
        recipe.learning_rate,
        iteration,
        recipe.iterations,
        darknet=recipe.solver == "darknet",
        seed=job.seed,
    )
    total = 0.0
    for part in range(recipe.accumulate):
        batch = _read(job, iteration * recipe.accumulate + part)
        loss = objective(batch, masks.applied(state.weights))
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    shared.sum_gradients(state.parameters)
    solvers.update(recipe, state.parameters, state.history, rate, iteration)
    masks.hold(state.weights, state.history)
    return total / recipe.accumulate, rate


def _read(job: TrainingJob, number: int) -> Batch:
    """The samples of one pass, and the seed of everything random in it."""
    torch.manual_seed(pass_seed(job.seed, number))
    return read_pass(job, number)
