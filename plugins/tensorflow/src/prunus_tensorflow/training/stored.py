"""The variables of a TensorFlow training as they lie in a snapshot: by their order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Snapshot, Snapshots, TrainingJob, job_digests, joined
from prunus_tensorflow.training.options import TRAINER


def snapshots_of(job: TrainingJob) -> Snapshots:
    """The snapshots of a job; the trainer's options decide the numbers, too."""
    options = joined(json.dumps(dict(job.options), sort_keys=True))
    return Snapshots(job.workspace, TRAINER, {**job_digests(job), "set of options": options})


def snapshot_of(iteration: int, loss: float, values: Sequence[NDArray[Any]]) -> Snapshot:
    """All variables of model and optimizer, in their order."""
    arrays = {f"{position:05d}": np.asarray(value) for position, value in enumerate(values)}
    return Snapshot(iteration, loss, arrays)


def values_of(snapshot: Snapshot) -> list[NDArray[Any]]:
    """Inverse of `snapshot_of`."""
    return [snapshot.arrays[name] for name in sorted(snapshot.arrays)]
