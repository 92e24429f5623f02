"""The training loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import attrs
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from prunus.plugin import (
    Batch,
    DataError,
    PrunusError,
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
from prunus_torch.processes import Processes, joined
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
    device = device_of(settings)
    with torch_set(settings), deferred() as interrupted, joined(device) as processes:
        try:
            return _train(job, settings, device, processes, interrupted)
        except RuntimeError as error:
            if processes.count == 1:
                raise
            raise PrunusError(
                f"process {processes.rank + 1} of {processes.count} cannot go on without the "
                f"others ({_reason(error)}); --resume continues from the last snapshot"
            ) from error


def _train(
    job: TrainingJob,
    settings: Settings,
    device: torch.device,
    processes: Processes,
    interrupted: Callable[[], bool],
) -> Weights:
    variables = variables_of(job.compact.model, job.network.bindings)
    _check(job, variables)
    snapshots = Snapshots(job.workspace, TRAINER, digests_of(job, settings))
    masks = masks_of(job, device)
    state = first_state(job.compact.model, variables, job.recipe, device, masks)

    def save(iteration: int, loss: float) -> None:
        if processes.rank == 0:
            snapshots.save(state.snapshot(iteration, loss))

    def stopped() -> bool:
        return processes.any(flag=interrupted())

    job = processes.share(job)
    loop = TrainingLoop(job, state.arrays, save, stopped)
    found = snapshots.newest(job.recipe.iterations) if job.resume else None
    if found is not None:
        state.restore(found)
        loop.iteration, loop.loss = found.iteration, found.loss
    objective = build_objective(job, variables, settings, device)
    work = Work(job, state, gradient_of(objective, state, processes), processes)
    shared = shared_values(job, device)
    while not loop.done:
        loop.advance(*_update(work, loop.iteration, shared))
    return state.arrays()


@attrs.frozen(eq=False)
class Work:
    """What the updates of one process need.

    Attributes:
        job: The job, with the batch of this process.
        state: What they change.
        gradient: Adds the gradients of a batch; with True they are those of all processes then.
            Gives the loss.
        processes: All processes.
    """

    job: TrainingJob
    state: State
    gradient: Callable[[Batch, bool], float]
    processes: Processes

    def read(self, number: int) -> Batch:
        """The samples of one pass, and the seed of everything random in it."""
        own = self.processes.number(number)
        torch.manual_seed(pass_seed(self.job.seed, own))
        return read_pass(self.job, own)


def gradient_of(
    objective: Objective, state: State, processes: Processes
) -> Callable[[Batch, bool], float]:
    """The function `Work.gradient`."""
    step = _Step(objective, state)
    if processes.count == 1:
        return lambda batch, last: step.backward(batch)
    some = not objective.reads.issuperset(state.parameters)  # no loss depends on the others
    parallel = DistributedDataParallel(step, find_unused_parameters=some)

    def gradient(batch: Batch, last: bool) -> float:
        with nullcontext() if last else parallel.no_sync():
            return step.backward(batch, parallel)

    return gradient


class _Step(torch.nn.Module):
    """The loss of a batch as a module, as torch's DDP wants it."""

    def __init__(self, objective: Objective, state: State) -> None:
        super().__init__()
        self._objective, self._state = objective, state
        self.learnt = torch.nn.ParameterList(state.parameters.values())

    def forward(self, batch: Batch) -> Tensor:
        return self._objective.loss(batch, self._state.masks.applied(self._state.weights))

    def backward(self, batch: Batch, parallel: torch.nn.Module | None = None) -> float:
        loss: Tensor = (parallel or self)(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())


def _check(job: TrainingJob, variables: Variables) -> None:
    if not variables.parameters:
        raise UsageError("nothing to train: the network has no weights")
    if not len(job.training):
        raise DataError("no training samples: the data set is empty")


def _update(work: Work, iteration: int, shared: SharedValues) -> tuple[float, float]:
    """One update of the weights; gives its loss and its learning rate."""
    job, state = work.job, work.state
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
        batch = work.read(iteration * recipe.accumulate + part)
        total += work.gradient(batch, part + 1 == recipe.accumulate)
    shared.sum_gradients(state.parameters)
    solvers.update(recipe, state.parameters, state.history, rate, iteration)
    masks.hold(state.weights, state.history)
    return work.processes.mean(total) / recipe.accumulate, rate


def _reason(error: RuntimeError) -> str:
    """Its first sentence, without the position in the library's source before it."""
    return str(error).splitlines()[0].rpartition("] ")[2].split(". ")[0]
