"""Hooks of the torch trainer; imports torch only when training starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prunus.plugin import hookimpl
from prunus_torch import TRAINER

if TYPE_CHECKING:
    from prunus.plugin import Descriptor, TrainingJob, Weights


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the trainer."""
    from prunus.plugin import Trainer

    return (
        Trainer(
            name=TRAINER,
            summary="PyTorch on the neutral graph, with the framework's own recipe (any format)",
            options={
                "device": "where to train: cpu, cuda, cuda:1, … [cpu]",
                "threads": "threads of one operation [every processor]",
                "temperature": "softening of scores in distillation [4]",
                "batchnorm": "frozen: keep running statistics, for few samples [recipe]",
            },
        ),
    )


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
