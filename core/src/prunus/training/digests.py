"""Digests of a training job; they tell whether a snapshot belongs to it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs
import numpy as np

from prunus.graph.digest import structure_digest, weights_digest
from prunus.network import Network
from prunus.task import Recipe
from prunus.training.job import TrainingJob

_WITH_END = frozenset({"poly", "cosine"})
"""Policies whose rate depends on the number of iterations of the whole training."""


def job_digests(job: TrainingJob) -> dict[str, str]:
    """Word for the user -> hex digest.

    The intervals of evaluation and snapshots may change between start and resume, and so may
    the number of iterations unless the learning rate depends on it.
    """
    return {
        "network": network_digest(attrs.evolve(job.network, model=job.compact.model)),
        "recipe": joined(json.dumps(_recipe(job.recipe), sort_keys=True, default=repr)),
        "data set": job.training.digest(),
        "seed": str(job.seed),
        "teacher": "none" if job.teacher is None else network_digest(job.teacher),
        "mask": _masks(job),
        **_sharing(job),
    }


def _masks(job: TrainingJob) -> str:
    if not job.masks:
        return "none"
    digest = hashlib.sha256(str(job.splicing and job.splicing.interval).encode())
    for name, kept in sorted(job.masks.items()):
        digest.update(name.encode() + np.packbits(kept).tobytes())
    return digest.hexdigest()[:16]


def _sharing(job: TrainingJob) -> dict[str, str]:
    """Which weights share a value, where some do."""
    if not job.shared:
        return {}
    digest = hashlib.sha256()
    for name, numbers in sorted(job.shared.items()):
        digest.update(name.encode() + np.ascontiguousarray(numbers, "<i2").tobytes())
    return {"shared values": digest.hexdigest()[:16]}


def network_digest(network: Network) -> str:
    """Structure and weights."""
    return structure_digest(network) + weights_digest(network)


def joined(*parts: str) -> str:
    """One hex digest of several texts."""
    text = "\n".join(parts).encode(errors="surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


def _recipe(recipe: Recipe) -> dict[str, Any]:
    fields = attrs.asdict(recipe)
    for name in ("test_interval", "snapshot"):
        del fields[name]
    if recipe.learning_rate.policy not in _WITH_END:
        del fields["iterations"]
    return fields
