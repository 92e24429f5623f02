"""What a training job is made of, as digests that tell whether a snapshot belongs to it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs

from prunus.graph.digest import structure_digest, weights_digest
from prunus.network import Network
from prunus.task import Recipe
from prunus.training import TrainingJob
from prunus_torch.settings import Settings

_WITH_END = frozenset({"poly", "cosine"})
"""Policies whose rate depends on the number of iterations of the whole training."""


def digests_of(job: TrainingJob, settings: Settings) -> dict[str, str]:
    """Word for the user -> hex digest.

    Intervals of evaluation and snapshots may change between start and resume, and so
    may the number of iterations unless the learning rate depends on it.
    """
    compact = attrs.evolve(job.network, model=job.compact.model)
    return {
        "network": structure_digest(compact) + weights_digest(compact),
        "recipe": _text(_recipe(job.recipe)),
        "data set": job.training.digest(),
        "seed": str(job.seed),
        "teacher": _teacher(job.teacher, settings),
    }


def _teacher(teacher: Network | None, settings: Settings) -> str:
    if teacher is None:
        return "none"
    return f"{structure_digest(teacher)}{weights_digest(teacher)} {settings.temperature:g}"


def _recipe(recipe: Recipe) -> dict[str, Any]:
    fields = attrs.asdict(recipe)
    for name in ("test_interval", "snapshot"):
        del fields[name]
    if recipe.learning_rate.policy not in _WITH_END:
        del fields["iterations"]
    return fields


def _text(fields: Any) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=repr).encode()).hexdigest()[
        :16
    ]
