"""Samples as people hold them in Python: arrays, pairs of arrays, paths, data sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Format
from prunus.errors import DataError
from prunus.evaluation.choice import open_samples
from prunus.evaluation.data import ArrayDataset, JointDataset, arranged
from prunus.evaluation.sample_transform import Transform
from prunus.graph.inputs import sample_inputs
from prunus.network import Network
from prunus.task import Dataset

Samples = Any
"""A `Dataset`; a path, as ``--data``; an array ``(N, ...)`` of inputs, or a mapping of input name
to such an array; or a pair of that and ``(N,)`` class numbers."""

_PLACE = Path("data")
"""Stands for the name of a file in messages about arrays."""


def dataset_of(
    descriptor: Format, network: Network, data: Samples, *, training: bool = False
) -> Dataset | None:
    """Samples of a network; its own where ``data`` is ``None``, and ``None`` without any.

    Args:
        descriptor: Format of the network.
        network: The network.
        data: See `Samples`. Arrays hold finished inputs; images last-axis channels are moved to
            the graph's layout where only that fits.
        training: The network's own training samples are meant where ``data`` is ``None``.

    Raises:
        DataError: the samples do not fit the network's inputs.
    """
    if data is None:
        own = network.task.training if training else network.task.evaluation
        return None if own is None else own()
    if isinstance(data, str | os.PathLike):
        return open_samples(descriptor, network, os.fspath(data), training=training)
    if hasattr(data, "read") and hasattr(data, "digest"):
        found: Dataset = data
        return found
    inputs, labels = data if isinstance(data, tuple) else (data, None)
    return _joined(network, inputs, labels)


def _joined(network: Network, inputs: Any, labels: Any) -> Dataset:
    values = {value.name or "": value for value in sample_inputs(network.model)}
    if not isinstance(inputs, Mapping):
        if len(values) != 1:
            raise DataError(
                f"the network has inputs {', '.join(values)}: give a dict of arrays by input name"
            )
        inputs = {next(iter(values)): inputs}
    missing = [name for name in values if name not in inputs]
    if missing:
        raise DataError(f"no samples for input '{missing[0]}'; give a dict of arrays by input name")
    classes = None if labels is None else np.asarray(labels).reshape(-1).astype(np.int64)
    parts = []
    for name, value in values.items():
        array: NDArray[Any] = np.asarray(inputs[name])
        if array.dtype.kind not in "biuf" or array.ndim < 1 or not len(array):
            raise DataError(f"samples of input '{name}': numbers with a first axis of samples")
        parts.append(ArrayDataset(name, arranged(_PLACE, array, value, Transform()), classes))
    if len({len(part) for part in parts}) > 1 or (
        classes is not None and len(classes) != len(parts[0])
    ):
        raise DataError("samples and labels differ in number")
    return parts[0] if len(parts) == 1 else JointDataset(tuple(parts))
