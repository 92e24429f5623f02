"""Hooks of PyTorch, the format and the trainer; torch is imported only when one of them works."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prunus.plugin import hookimpl
from prunus_torch import FORMAT, TRAINER
from prunus_torch.files.kinds import is_torch, names_code

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prunus.plugin import (
        Compact,
        Derivatives,
        Descriptor,
        Destination,
        Group,
        Network,
        Source,
        TrainingJob,
        Weights,
        Written,
    )

CRITERION = "obd"


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the format, the trainer, and the criterion that needs second derivatives."""
    from prunus.plugin import Criterion, Format, Trainer

    return (
        Format(
            name=FORMAT,
            summary="PyTorch modules, torch.export programs (.pt2), checkpoints (.pt, .pth)",
            detect=is_torch,
            options={
                "module": "FILE.py:function or package.module:function that builds a "
                "checkpoint's module",
                "input-shape": "sizes of its inputs: 1x3x224x224; several separated by ','",
                "unsafe": "yes: unpickle a module that was saved whole, which runs its code",
            },
            names_code=names_code,
            in_memory=_is_module,
            takes_inputs=True,
        ),
        Criterion(
            name=CRITERION,
            summary="growth of the loss by second derivatives (optimal brain damage)",
            needs_samples=True,
            unit="weight",
            comparable=True,
        ),
        Trainer(
            name=TRAINER,
            summary="PyTorch on the neutral graph, with the framework's own recipe (any format)",
            options={
                "device": "where to train: cpu, cuda, cuda:1, … [cpu]",
                "threads": "threads of one operation [every processor]",
                "temperature": "softening of scores in distillation [4]",
                "batchnorm": "frozen: keep running statistics, for few samples [recipe]",
            },
            holds_weights=True,
            regrows_weights=True,
            shares_weights=True,
            differentiates=True,
            assists=lambda: int(os.environ.get("RANK", 0)) > 0,  # of torchrun
        ),
    )


@hookimpl
def prunus_load(format: str, source: Source) -> Network | None:
    """Read a program or a checkpoint."""
    if format != FORMAT:
        return None
    from prunus_torch.files.read import load

    return load(source)


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written | None:
    """Write a file of the kind that was read."""
    if format != FORMAT:
        return None
    from prunus_torch.files.write import write

    return write(network, compact, destination)


@hookimpl
def prunus_lower(
    format: str, model: object, options: Mapping[str, str], example_inputs: object
) -> Network | None:
    """Export a module with torch's own exporters, and see what its code lets shrink."""
    if format != FORMAT:
        return None
    from torch import nn

    from prunus_torch.module.example import example_of
    from prunus_torch.module.lower import lower_module

    assert isinstance(model, nn.Module)
    return lower_module(model, example_of(example_inputs))


@hookimpl
def prunus_rebuild(format: str, network: Network, compact: Compact) -> object | None:
    """A copy of the module with smaller parameters."""
    if format != FORMAT:
        return None
    from prunus_torch.module.origin import Origin
    from prunus_torch.module.rebuild import rebuilt

    assert isinstance(network.origin, Origin)
    return rebuilt(network.origin, compact)


@hookimpl
def prunus_infer(
    format: str, network: Network, model: object, inputs: Mapping[str, NDArray[np.generic]]
) -> Mapping[str, NDArray[np.generic]] | None:
    """Call a rebuilt module."""
    if format != FORMAT:
        return None
    from torch import nn

    from prunus_torch.module.run import run

    assert isinstance(model, nn.Module)
    return run(network, model, inputs)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64] | None:
    """Saliency ``h_kk w_k^2 / 2`` of each weight (LeCun, Denker, Solla 1990, eq. 5)."""
    if criterion != CRITERION or samples is None:
        return None
    from prunus_torch.curvature import diagonal

    (member,) = group.members
    found = diagonal(network, member.initializer, samples, seed)
    curvature = found.ravel()[member.positions[:, 0]]
    return curvature * member.slices(network).ravel() ** 2 / 2


@hookimpl
def prunus_differentiate(
    trainer: str, network: Network, weights: tuple[str, ...]
) -> Derivatives | None:
    """Derivatives by automatic differentiation."""
    if trainer != TRAINER:
        return None
    from prunus_torch.derivatives import derivatives

    return derivatives(network, weights)


@hookimpl
def prunus_finetune(trainer: str, job: TrainingJob) -> Weights | None:
    """Train the compact network."""
    if trainer != TRAINER:
        return None
    # read when torch is loaded: threads that wait by spinning made a step 25 times as long
    # where other processes wanted the processors
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from prunus_torch.train import train

    return train(job)


def _is_module(model: object) -> bool:
    """Whether it is a PyTorch module; who has one has imported torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)
