"""Conformance of formats: files that are missing, damaged or hold unknown layers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import attrs
import numpy as np

from prunus.compaction.compact import identity
from prunus.errors import ModelError, PluginCrashError, PrunusError
from prunus.grouping import find_groups
from prunus.network import Source
from prunus.testing.checks_plugin import one_line
from prunus.testing.strangers import damaged
from prunus.testing.subject import Subject


@attrs.frozen
class Unknown:
    """A model with layers the format does not know.

    Attributes:
        source: Its files.
        layers: What messages call each unknown layer: its name, or what its users know it by.
        noted: Those of them that take no input out of known layers, for which a note is enough.
    """

    source: Source
    layers: tuple[str, ...]
    noted: tuple[str, ...] = ()


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
    for field in ("model", "weights"):
        path = getattr(source, field)
        if path is None or not path.is_file():
            continue
        with tempfile.TemporaryDirectory() as directory:
            for damage, part in damaged(path.read_bytes()):
                copy = Path(directory) / path.name
                copy.write_bytes(part)
                broken = attrs.evolve(source, **{field: copy})
                _load_or_refuse(subject, broken, f"{path.name} {damage}")


def check_not_finite(subject: Subject, source: Source) -> None:
    """A weight that is NaN or infinite is refused with a `ModelError` that names it.

    By its layer, its name in the graph, or the name of ``Binding.index``.

    The format itself writes the file, into which such a number is put; it may refuse that, too.
    """
    network = subject.load(source)
    for number in (np.nan, np.inf):
        for name, array in network.weights().items():
            if name not in network.bindings or array.dtype.kind != "f" or not array.size:
                continue
            wrong = array.copy()
            wrong.reshape(-1)[-1] = number
            broken = network.with_weights({name: wrong})
            binding = network.bindings[name]
            layer = binding.layer
            names = {layer, name, binding.index if isinstance(binding.index, str) else ""} - {""}
            try:
                subject.rewritten(source, broken, identity(broken), "masked")
                text = f"layer '{layer}': a weight of {number} loads without a word"
            except ModelError as error:
                one_line(error)
                if any(one in str(error) for one in names):
                    break
                text = f"the message names none of {sorted(names)}: {error}"
            raise AssertionError(text)


def check_unknown(subject: Subject, unknown: Unknown) -> None:
    """Every unknown layer is named: in the error, or in notes and in the reason of its input.

    A note alone leaves its input prunable, and the layer would get fewer channels than it needs.
    """
    try:
        network = subject.load(unknown.source)
    except PluginCrashError:
        raise
    except PrunusError as error:
        one_line(error, *unknown.layers)
        return
    protected = find_groups(network).protected
    reasons = [*network.frozen.values(), *network.frozen_width.values()]
    reasons += [entry.reason for entry in protected]
    silent = [one for one in unknown.layers if not _names(one, [*network.notes, *reasons])]
    assert not silent, f"unknown layers pass without a word: {silent}"
    free = [one for one in unknown.layers if one not in unknown.noted and not _names(one, reasons)]
    assert not free, (
        f"unknown layers {free} are noted, but no reason names them: their inputs can be pruned; "
        f"keep each with a reason, such as \"feeds opaque layer '{free[0]}'\""
    )


def _names(layer: str, texts: Iterable[str]) -> bool:
    """Whether a text names a layer, and not merely holds its letters."""
    whole = re.compile(rf"(?<!\w){re.escape(layer)}(?!\w)")
    return any(whole.search(text) for text in texts)


def _load_or_refuse(subject: Subject, source: Source, damage: str) -> None:
    try:
        subject.load(source)
    except PluginCrashError as error:
        raise AssertionError(f"{damage} is no one-line error of the format: {error}") from error
    except PrunusError as error:
        try:
            one_line(error)
        except AssertionError as said:
            raise AssertionError(f"{damage}: {said}") from error
    except Exception as error:
        raise AssertionError(f"{damage} gives {type(error).__name__}: {error}") from error
