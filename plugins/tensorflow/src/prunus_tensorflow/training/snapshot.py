"""Resumable state: one ``.npz`` file, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import PrunusError, StaleError
from prunus.graph.digest import structure_digest, weights_digest
from prunus.training import TrainingJob

_PATTERN = "tensorflow_*.npz"


@attrs.frozen(eq=False)
class Snapshot:
    """Everything an update depends on besides the job itself.

    Attributes:
        iteration: Updates done.
        arrays: All variables of model and optimizer, in their order.
    """

    iteration: int
    arrays: Sequence[NDArray[Any]]


def job_digest(job: TrainingJob) -> str:
    """What a snapshot must agree with to be continued; intervals and the end may change."""
    compact = attrs.evolve(job.network, model=job.compact.model)
    recipe = attrs.asdict(job.recipe)
    for name in ("test_interval", "snapshot", "iterations"):
        del recipe[name]
    teacher = "" if job.teacher is None else weights_digest(job.teacher)
    parts = [
        structure_digest(compact),
        weights_digest(compact),
        json.dumps(recipe, sort_keys=True, default=repr),
        job.training.digest(),
        str(job.seed),
        teacher,
        json.dumps(dict(job.options), sort_keys=True),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def save(directory: Path, digest: str, snapshot: Snapshot) -> None:
    """Write atomically, then remove all but the newest two.

    Raises:
        PrunusError: the file cannot be written; older ones are kept.
    """
    path = directory / f"tensorflow_{snapshot.iteration:08d}.npz"
    temporary = path.with_name(f".{path.name}.tmp")
    arrays = {f"{place:05d}": array for place, array in enumerate(snapshot.arrays)}
    try:
        with temporary.open("wb") as stream:
            np.savez(
                stream,
                digest=np.array(digest),
                iteration=np.array(snapshot.iteration),
                **arrays,  # type: ignore[arg-type]
            )
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise PrunusError(
            f"{path}: cannot write the snapshot ({error.strerror}); older ones are kept"
        ) from error
    for old in sorted(directory.glob(_PATTERN))[:-2]:
        old.unlink(missing_ok=True)


def newest(directory: Path, digest: str, iterations: int) -> Snapshot | None:
    """The last readable snapshot of at most ``iterations`` updates, ``None`` without any.

    Raises:
        StaleError: it belongs to another job, or none is readable.
    """
    damaged = None
    for path in sorted(directory.glob(_PATTERN), reverse=True):
        try:
            with np.load(path, allow_pickle=False) as stored:
                names = sorted(set(stored.files) - {"digest", "iteration"})
                found, iteration = str(stored["digest"]), int(stored["iteration"])
                arrays = [stored[name] for name in names]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            damaged = f"{path}: damaged snapshot ({error}); remove it or train without --resume"
            continue
        if found != digest:
            raise StaleError(
                f"{path}: the snapshot belongs to another network, recipe, data set or seed; "
                "train without --resume"
            )
        if iteration <= iterations:
            return Snapshot(iteration, arrays)
    if damaged is not None:
        raise StaleError(damaged)
    return None
