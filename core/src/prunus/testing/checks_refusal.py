"""Conformance of formats: files that are missing, damaged or hold unknown layers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import numpy as np

from prunus.errors import ModelError, PrunusError
from prunus.grouping import find_groups
from prunus.network import Source
from prunus.testing.checks_plugin import one_line
from prunus.testing.subject import Subject


@attrs.frozen
class Unknown:
    """A model with layers the format does not know.

    Attributes:
        source: Its files.
        layers: What messages call each unknown layer: its name, or what its users know it by.
    """

    source: Source
    layers: tuple[str, ...]


def check_missing(subject: Subject, source: Source) -> None:
    """A missing file is a `ModelError` that names it."""
    absent = attrs.evolve(source, model=source.model.with_name(f"absent-{source.model.name}"))
    sources = [absent]
    if source.weights is not None:
        weights = source.weights.with_name(f"absent-{source.weights.name}")
        sources.append(attrs.evolve(source, weights=weights))
    for broken in sources:
        try:
            subject.load(broken)
        except ModelError as error:
            one_line(error, "absent-")
        else:
            raise AssertionError(f"{broken} loads although a file is missing")


def check_damage(subject: Subject, source: Source) -> None:
    """Cut or overwritten files load or give a one-line `PrunusError`; never anything else."""
    draw = np.random.default_rng(0)
    for field in ("model", "weights"):
        path = getattr(source, field)
        if path is None or not path.is_file():
            continue
        content = path.read_bytes()
        damaged = [content[: int(len(content) * share)] for share in (0.0, 0.1, 0.5, 0.9)]
        for _ in range(4):
            noisy = bytearray(content)
            start_ = int(draw.integers(0, max(1, len(noisy) - 16)))
            noisy[start_ : start_ + 16] = draw.bytes(16)
            damaged.append(bytes(noisy))
        with tempfile.TemporaryDirectory() as directory:
            for part in damaged:
                copy = Path(directory) / path.name
                copy.write_bytes(part)
                _load_or_refuse(subject, attrs.evolve(source, **{field: copy}))


def check_unknown(subject: Subject, unknown: Unknown) -> None:
    """Every unknown layer is named: in the error, or in notes and reasons."""
    try:
        network = subject.load(unknown.source)
    except PrunusError as error:
        one_line(error, *unknown.layers)
        return
    protected = find_groups(network).protected
    said = " ".join(
        [*network.notes, *network.frozen.values(), *(entry.reason for entry in protected)]
    )
    silent = [layer for layer in unknown.layers if layer not in said]
    assert not silent, f"unknown layers pass without a word: {silent}"


def _load_or_refuse(subject: Subject, source: Source) -> None:
    try:
        subject.load(source)
    except PrunusError as error:
        one_line(error)
    except Exception as error:
        raise AssertionError(f"damage gives {type(error).__name__}: {error}") from error
