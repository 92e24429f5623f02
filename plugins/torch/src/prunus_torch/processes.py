"""Processes that train one job together: torch's DDP, started by ``torchrun``.

The recipe's batch is the batch of all processes: each reads its own share of it and the gradients
are averaged, so that the number of processes does not change what is learnt. Statistics of
BatchNormalization are of the whole batch too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import attrs
import torch
from torch import Tensor, distributed

from prunus.plugin import TrainingJob, UsageError

PATIENCE = timedelta(days=1)
"""How long a process waits for the first one, which alone measures the network."""


@attrs.frozen
class Processes:
    """The processes of a training, as one of them sees them.

    Attributes:
        rank: Number of this one, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    def share(self, job: TrainingJob) -> TrainingJob:
        """The job of this process: its share of the batch; only the first measures and reports.

        Raises:
            UsageError: the batch cannot be shared equally.
        """
        if self.count == 1:
            return job
        size, rest = divmod(job.recipe.batch_size, self.count)
        if rest:
            raise UsageError(
                f"{self.count} processes cannot share a batch of {job.recipe.batch_size}; give "
                f"--batch-size {(size + 1) * self.count}"
            )
        own = attrs.evolve(job, recipe=attrs.evolve(job.recipe, batch_size=size))
        return own if self.rank == 0 else attrs.evolve(own, evaluate=None, report=_silent)

    def number(self, batch: int) -> int:
        """Number of this process's share of a batch among the shares of all batches."""
        return batch * self.count + self.rank

    def mean(self, value: float) -> float:
        """The mean of a number over the processes; each of them must ask."""
        return value if self.count == 1 else float(_sum(torch.tensor(value).double())) / self.count

    def any(self, *, flag: bool) -> bool:
        """Whether one of the processes says so; each of them must ask."""
        return flag if self.count == 1 else float(_sum(torch.tensor(float(flag)))) > 0


def started() -> Processes:
    """The processes that ``torchrun`` started, by its environment variables."""
    return Processes(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The group of all processes, for the time of a training."""
    if distributed.is_available() and distributed.is_initialized():  # by the caller
        yield Processes(distributed.get_rank(), distributed.get_world_size())
        return
    processes = started()
    if processes.count == 1:
        yield processes
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield processes
    finally:
        distributed.destroy_process_group()


def processes_now() -> Processes:
    """The processes of the group that was joined; this one alone without a group."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Processes()
    return Processes(distributed.get_rank(), distributed.get_world_size())


def together(mean: Tensor, variance: Tensor, processes: Processes) -> tuple[Tensor, Tensor]:
    """Mean and variance of equally many numbers in each process, of those of each one.

    Args:
        mean: ``(C,)``, differentiable.
        variance: ``(C,)``, without the factor ``m / (m - 1)``.
        processes: As `processes_now`.
    """
    if processes.count == 1:
        return mean, variance
    each = mean.new_zeros(processes.count, 2, len(mean))
    own = torch.arange(processes.count, device=mean.device) == processes.rank
    each = torch.where(own.reshape(-1, 1, 1), torch.stack([mean, variance]), each)
    means, variances = _Sum.apply(each).unbind(1)  # type: ignore[no-untyped-call]
    return means.mean(0), variances.mean(0) + means.var(0, correction=0)


def _sum(tensor: Tensor) -> Tensor:
    if distributed.get_backend() == "nccl":
        tensor = tensor.cuda()
    distributed.all_reduce(tensor)
    return tensor


class _Sum(torch.autograd.Function):
    """The sum over the processes; so is its gradient, of the sum of their losses."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def _silent(progress: object) -> None:
    pass
