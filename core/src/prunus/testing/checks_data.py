"""Conformance of formats: data sets in a format's own terms, and metrics on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prunus.errors import PrunusError
from prunus.evaluation.choice import feeds
from prunus.evaluation.random_inputs import random_inputs
from prunus.network import Network, Source
from prunus.task import Batch, Dataset, Metric
from prunus.testing.checks_fields import made
from prunus.testing.checks_metric import MEASURING, MeasuredBy
from prunus.testing.checks_plugin import one_line
from prunus.testing.subject import Subject

MOST = 8
"""Samples of a data set that are read."""


def check_data_of_others(subject: Subject, source: Source) -> None:
    """``data`` gives ``None`` for an ``.npz`` file, a folder and a missing path.

    It may open those that every format has, where its network needs more than they hold; then
    the answer is a data set.
    """
    opener = subject.descriptor().data
    if opener is None:
        return
    network = subject.load(source)
    inputs = random_inputs(network.model, 4, 0)
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        named: dict[str, Any] = inputs if len(inputs) > 1 else {"x": next(iter(inputs.values()))}
        np.savez(directory / "samples.npz", **named)
        (directory / "photos" / "cat").mkdir(parents=True)
        for name in ("samples.npz", "photos", "missing"):
            for training in (False, True):
                found = _opened(subject, network, str(directory / name), training, name)
                if found is not None:
                    assert name == "samples.npz", f"{subject.name}: data takes {name} for its own"
                    check_dataset(found, network, name)


def check_data(subject: Subject, source: Source, spec: str) -> None:
    """A data specification of its own opens as a `Dataset` that fits the network."""
    assert subject.descriptor().data is not None, f"{subject.name} has no data, but an example"
    network = subject.load(source)
    first, second = (_opened(subject, network, spec, False, spec) for _ in "12")
    assert first is not None, f"{subject.name}: data gives None for {spec}"
    assert second is not None, f"{subject.name}: data gives None for {spec} the second time"
    check_dataset(first, network, spec)
    assert first.digest() == second.digest(), f"{spec}: another digest the second time"
    _opened(subject, network, spec, True, spec)


def check_metrics_measure(subject: Subject, source: Source, spec: str) -> None:
    """The format's own metrics keep the promises of metrics on its own data."""
    opener = subject.descriptor().data
    assert opener is not None, f"{subject.name} has no data, but an example"
    network = subject.load(source)
    data = opener(spec, network, False)
    assert data is not None, f"{subject.name}: data gives None for {spec}"
    for name, make in subject.descriptor().metrics.items():
        metric = made(subject, name, network)
        if metric is None:
            continue
        labelled = data.read(np.zeros(1, np.int64), None).labels is not None
        if labelled or not metric.needs_labels:
            measured = MeasuredBy(name, partial(_given, make), ((network, data),))
            for check in MEASURING.values():
                check(measured)


def check_dataset(data: Dataset, network: Network, said: str) -> None:
    """Samples by position: the same every time, in any order, float32, of the network's shapes."""
    count = len(data)
    assert count > 0, f"{said}: no samples"
    positions = np.arange(min(count, MOST), dtype=np.int64)
    batch = data.read(positions, None)
    assert isinstance(batch, Batch), f"{said}: read gave a {type(batch).__name__}, no Batch"
    try:
        fits = feeds(batch, network)
    except PrunusError as error:
        raise AssertionError(f"{said}: {error}") from error
    assert fits, f"{said}: the samples do not hold every input of the network"
    for name, array in batch.inputs.items():
        known = isinstance(array, np.ndarray) and array.dtype == np.float32
        assert known, f"{said}: input '{name}' is no array of float32"
        assert len(array) == len(positions), f"{said}: '{name}': {len(array)} of {len(positions)}"
        assert np.isfinite(array).all(), f"{said}: input '{name}' is not finite"
    if batch.labels is not None:
        number = len(batch.labels)
        assert number == len(positions), f"{said}: {number} labels of {len(positions)} samples"
    _same(batch, data.read(positions, None), f"{said}: other samples the second time")
    turned = data.read(positions[::-1], None)
    for name, array in batch.inputs.items():
        same = np.array_equal(turned.inputs[name][::-1], array)
        assert same, f"{said}: input '{name}' of a sample depends on the order of reading"
    first, second = (data.read(positions, np.random.default_rng(0)) for _ in "12")
    _same(first, second, f"{said}: augmentation differs for one seed")
    digest = data.digest()
    assert isinstance(digest, str) and digest, f"{said}: digest gave {digest!r}"  # noqa: PT018


def _same(first: Batch, second: Batch, said: str) -> None:
    assert set(first.inputs) == set(second.inputs), said
    for name, array in first.inputs.items():
        assert np.array_equal(array, second.inputs[name]), said


def _opened(
    subject: Subject, network: Network, spec: str, training: bool, said: str
) -> Dataset | None:
    opener: Callable[[str, Network, bool], Dataset | None] | None = subject.descriptor().data
    assert opener is not None
    try:
        return opener(spec, network, training)
    except PrunusError as error:
        one_line(error)
        if training:  # there may be no training samples
            return None
        raise AssertionError(f"{subject.name}: data refuses {said}: {error}") from error
    except Exception as error:
        raise AssertionError(
            f"{subject.name}: data raises {type(error).__name__} for {said}: {error}"
        ) from error


def _given(make: Callable[[Network], Metric]) -> Callable[[Network], Metric]:
    return make
