"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunus.errors import DataError, UsageError
from prunus.interrupt import deferred
from prunus.task import Batch, Loss, Measurement, Recipe
from prunus.training import Progress, TrainingJob, Weights
from prunus_torch import solvers
from prunus_torch.digests import digests_of
from prunus_torch.distillation import build_imitation
from prunus_torch.executor import Program
from prunus_torch.losses import build_term
from prunus_torch.parameters import Variables, variables_of
from prunus_torch.samples import pass_seed, positions
from prunus_torch.schedule import learning_rate
from prunus_torch.settings import Settings, device_of, settings_from, torch_set
from prunus_torch.snapshot import Snapshot, Snapshots

Objective = Callable[[Batch], Tensor]

SMOOTHING = 0.95
"""Share of the past in the reported loss."""


@attrs.define(eq=False)
class State:
    """What an update changes.

    Attributes:
        weights: Variable name -> tensor; parameters are leaves that want a gradient.
        history: Parameter name -> memory of the solver.
        iteration: Updates done.
        loss: Smoothed loss; NaN before the first update.
    """

    weights: dict[str, Tensor]
    history: dict[str, list[Tensor]]
    iteration: int = 0
    loss: float = math.nan


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
    objective = _objective(job, variables, state, settings, device)
    metric: Measurement | None = None
    saved = state.iteration if job.resume else -1
    while state.iteration < job.recipe.iterations:
        rate = _update(job, state, objective)
        done = state.iteration == job.recipe.iterations
        if job.evaluate is not None and (done or _due(state.iteration, job.recipe.test_interval)):
            metric = job.evaluate(_arrays(state))
        job.report(Progress(state.iteration, job.recipe.iterations, state.loss, rate, metric))
        stop = interrupted()
        if done or stop or _due(state.iteration, job.recipe.snapshot):
            snapshots.save(_snapshot(state))
            saved = state.iteration
        if stop and not done:
            raise KeyboardInterrupt(f"stopped after {saved} iterations; --resume continues")
    return _arrays(state)


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
        loss = objective(_read(job, number))
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    total /= recipe.accumulate
    if not math.isfinite(total):
        raise UsageError(
            f"training diverged at iteration {state.iteration}: the loss is {total}; "
            f"lower the learning rate (now {rate:g}, --learning-rate)"
        )
    parameters = {name: tensor for name, tensor in state.weights.items() if tensor.requires_grad}
    solvers.update(recipe, parameters, state.history, rate, state.iteration)
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


def _objective(
    job: TrainingJob, variables: Variables, state: State, settings: Settings, device: torch.device
) -> Objective:
    recipe = job.recipe
    model = job.compact.model
    share = None if recipe.bn_frozen else 1 - recipe.bn_momentum
    if job.teacher is None:
        losses = recipe.losses or (Loss("softmax_cross_entropy", ()),)
        terms = [build_term(loss, model) for loss in losses]
        values = tuple(dict.fromkeys(name for _, names in terms for name in names))
        program = _program(job, variables, values, share, device)

        def supervised(batch: Batch) -> Tensor:
            found = program.run(_tensors(batch, device), state.weights)
            return sum(
                (term(found, batch.labels) for term, _ in terms), torch.zeros((), device=device)
            )

        return supervised
    imitation, values = build_imitation(model, recipe.losses, settings.temperature)
    program = _program(job, variables, values, share, device)
    teacher = Program(job.teacher.model, values)
    teacher.to(device)

    def distilled(batch: Batch) -> Tensor:
        inputs = _tensors(batch, device)
        with torch.no_grad():
            wanted = teacher.run(inputs, {})
        return imitation(program.run(inputs, state.weights), wanted)

    return distilled


def _program(
    job: TrainingJob,
    variables: Variables,
    values: tuple[str, ...],
    share: float | None,
    device: torch.device,
) -> Program:
    program = Program(
        job.compact.model,
        values,
        variables=variables.names,
        statistics=share,
        dropout=job.recipe.dropout,
    )
    program.to(device)
    return program


def _tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    if not len(batch):
        raise DataError("the data set gave an empty batch")
    return {
        name: _placed(torch.from_numpy(np.asarray(x, order="C")), device)
        for name, x in batch.inputs.items()
    }


def _start(
    job: TrainingJob, variables: Variables, snapshots: Snapshots, device: torch.device
) -> State:
    if not variables.parameters:
        raise UsageError("nothing to train: the network has no weights")
    if not len(job.training):
        raise DataError("no training samples: the data set is empty")
    arrays = {
        name: job.compact.model.graph.initializers[name].const_value for name in variables.names
    }
    weights = {
        name: _variable(
            value.numpy(), name in variables.parameters and _learns(job.recipe, name), device
        )
        for name, value in arrays.items()
        if value is not None
    }
    parameters = {name: tensor for name, tensor in weights.items() if tensor.requires_grad}
    state = State(weights, solvers.new_history(job.recipe, parameters))
    found = snapshots.newest(job.recipe.iterations) if job.resume else None
    if found is not None:
        _restore(state, found)
    return state


def _learns(recipe: Recipe, name: str) -> bool:
    """Caffe computes no gradient where ``lr_mult`` is 0; it does not count in clipping either."""
    return recipe.lr_mult.get(name, 1.0) != 0


def _variable(array: NDArray[np.generic], learns: bool, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.array(array, np.float32))
    return _placed(tensor, device).requires_grad_(learns)


def _placed(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device, images and filters channels last: 1.2 to 2 times as fast on CPUs."""
    if tensor.ndim == 4:
        return tensor.to(device, memory_format=torch.channels_last)
    return tensor.to(device)


@torch.no_grad()
def _restore(state: State, snapshot: Snapshot) -> None:
    for name, tensor in state.weights.items():
        tensor.copy_(torch.from_numpy(snapshot.weights[name]))
    for name, memory in state.history.items():
        for tensor, array in zip(memory, snapshot.history[name], strict=True):
            tensor.copy_(torch.from_numpy(array))
    state.iteration, state.loss = snapshot.iteration, snapshot.loss


def _snapshot(state: State) -> Snapshot:
    history = {name: [_array(t) for t in memory] for name, memory in state.history.items()}
    return Snapshot(state.iteration, state.loss, _arrays(state), history)


def _arrays(state: State) -> dict[str, NDArray[np.generic]]:
    return {name: _array(tensor) for name, tensor in state.weights.items()}


def _array(tensor: Tensor) -> NDArray[np.generic]:
    return np.array(tensor.detach().cpu().numpy(), order="C")
