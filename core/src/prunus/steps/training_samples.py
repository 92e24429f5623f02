"""On what a finetune trains, and whether its trainer can."""

from __future__ import annotations

import numpy as np

from prunus.descriptors import Trainer
from prunus.errors import DataError, UsageError
from prunus.evaluation.choice import feeds
from prunus.host import Host
from prunus.settings import Settings
from prunus.steps.loaded import Loaded, training_data
from prunus.task import Dataset
from prunus.training.tuning import Tuning, check_samples


def training_samples(loaded: Loaded, settings: Settings, tuning: Tuning) -> Dataset:
    """Samples to train on, with what the training needs of them.

    Raises:
        DataError: there are none, or none with labels where they are needed.
    """
    dataset = training_data(loaded, settings)
    if dataset is None:
        kept = "" if settings.data is None else f"--data {settings.data} is kept for measuring; "
        raise DataError(f"no training samples: {kept}give --train-data")
    check_samples(dataset, distill=tuning.distill)
    return dataset


def lacking(loaded: Loaded, settings: Settings) -> str:
    """Options that a finetune of this network cannot do without; empty where it needs none."""
    try:
        dataset = training_data(loaded, settings)
        if dataset is None or not len(dataset):
            return " --train-data SAMPLES"
        labels = dataset.read(np.zeros(1, np.int64), None).labels
    except DataError:
        return " --train-data SAMPLES"
    return " --distill" if labels is None else ""


def check_computable(host: Host, name: str, loaded: Loaded, training: Dataset) -> None:
    """Refuse a trainer of the neutral graph where opaque layers lie behind weights.

    Raises:
        UsageError: the trainer has no way to compute them; names those that have.
    """
    trainer = host.find(Trainer, name).descriptor
    assert isinstance(trainer, Trainer)
    if trainer.formats or feeds(training.read(np.zeros(1, np.int64), None), loaded.network):
        return
    able = [one.name for one in host.all(Trainer) if loaded.format.name in one.formats]
    mend = f"; use --trainer {' or '.join(able)}" if able else ""
    raise UsageError(
        f"trainer {name} cannot compute the opaque layers of this network, and no samples hold "
        f"what they make{mend}"
    )
