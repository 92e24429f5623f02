"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import numpy as np
import torch

from prunus.errors import DataError, UsageError
from prunus.interrupt import deferred
from prunus.task import Batch, Measurement
from prunus.training import Progress, TrainingJob, Weights
from prunus_torch import solvers
from prunus_torch.digests import digests_of
from prunus_torch.objective import Objective, build_objective
from prunus_torch.parameters import Variables, variables_of
from prunus_torch.samples import pass_seed, positions
from prunus_torch.schedule import learning_rate
from prunus_torch.settings import Settings, device_of, settings_from, torch_set
from prunus_torch.snapshot import Snapshots
from prunus_torch.state import State, first_state

SMOOTHING = 0.95
"""Share of the past in the reported loss."""


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
    snapshots = Snapshots(job.workspace, digests_of(job, settings))
    state = _start(job, variables, snapshots, device)
    objective = build_objective(job, variables, settings, device)
    metric: Measurement | None = None
    saved = state.iteration if job.resume else -1
    while state.iteration < job.recipe.iterations:
        rate = _update(job, state, objective)
        done = state.iteration == job.recipe.iterations
        if job.evaluate is not None and (done or _due(state.iteration, job.recipe.test_interval)):
            metric = job.evaluate(state.arrays())
        job.report(Progress(state.iteration, job.recipe.iterations, state.loss, rate, metric))
        stop = interrupted()
        if done or stop or _due(state.iteration, job.recipe.snapshot):
            snapshots.save(state.snapshot())
            saved = state.iteration
        if stop and not done:
            raise KeyboardInterrupt(f"stopped after {saved} iterations; --resume continues")
    return state.arrays()


def _due(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0


def _update(job: TrainingJob, state: State, objective: Objective) -> float:
    """One update of the weights; gives its learning rate."""
    recipe = job.recipe
    rate = learning_rate(
        recipe.learning_rate,
        state.iteration,
        recipe.iterations,
        darknet=recipe.solver == "darknet",
        seed=job.seed,
    )
    total = 0.0
    for part in range(recipe.accumulate):
        number = state.iteration * recipe.accumulate + part
        loss = objective(_read(job, number), state.weights)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    total /= recipe.accumulate
    if not math.isfinite(total):
        raise UsageError(
            f"training diverged at iteration {state.iteration}: the loss is {total}; "
            f"lower the learning rate (now {rate:g}, --learning-rate)"
        )
    solvers.update(recipe, state.parameters, state.history, rate, state.iteration)
    state.iteration += 1
    state.loss = (
        total if math.isnan(state.loss) else SMOOTHING * state.loss + (1 - SMOOTHING) * total
    )
    return rate


def _read(job: TrainingJob, number: int) -> Batch:
    """The samples of one pass, and the seed of everything random in it."""
    size = job.recipe.batch_size
    chosen = positions(len(job.training), job.seed, number * size, size)
    seed = pass_seed(job.seed, number)
    torch.manual_seed(seed)
    return job.training.read(chosen, np.random.default_rng(seed))


def _start(
    job: TrainingJob, variables: Variables, snapshots: Snapshots, device: torch.device
) -> State:
    """The state before the first update, or of the newest snapshot where the job resumes."""
    if not variables.parameters:
        raise UsageError("nothing to train: the network has no weights")
    if not len(job.training):
        raise DataError("no training samples: the data set is empty")
    state = first_state(job.compact.model, variables, job.recipe, device)
    found = snapshots.newest(job.recipe.iterations) if job.resume else None
    if found is not None:
        state.restore(found)
    return state
