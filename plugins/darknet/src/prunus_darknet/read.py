"""Load a Darknet network: cfg and weights to ``Network``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from prunus.plugin import ModelError, Network, Source, UsageError
from prunus_darknet.cfg import Cfg, read_cfg
from prunus_darknet.dialect import Dialect, dialect_of
from prunus_darknet.lower.network import lower
from prunus_darknet.lower.normalization import LOWEST
from prunus_darknet.origin import Origin
from prunus_darknet.records.layers import Structure
from prunus_darknet.records.structure import read_structure
from prunus_darknet.task import task_notes, task_of
from prunus_darknet.weights import (
    NEW_HEADER,
    Array,
    Slot,
    WeightsFile,
    empty_weights,
    negative_variances,
    open_weights,
    split_weights,
)


def load(source: Source) -> Network:
    """Read cfg and weights.

    Options: ``normalization`` (``pjreddie``, ``alexeyab``, ``opencv``) and
    ``structure_only=1`` (no weights file: zeros stand in, for counting), ``datacfg``
    (the ``.data`` file to train and evaluate with).

    Raises:
        ModelError: files missing, broken or not fitting each other.
        UsageError: an option's value is unknown.
    """
    cfg = read_cfg(source.model)
    file = _weights_file(source)
    revision = None if file is None else file.version
    dialect = dialect_of(cfg, revision, source.options.get("normalization"))
    transposed = file is not None and file.transposed
    structure = read_structure(cfg, dialect, transposed)
    if file is None:
        slots = empty_weights(structure)
        notes: tuple[str, ...] = ("no weights were read: all weights are zero",)
    else:
        slots = split_weights(file, structure, cfg.path, LOWEST[dialect.normalization])
        notes = _variance_note(file, structure, slots)
    lowered = lower(structure, slots, dialect.normalization)
    header = NEW_HEADER if file is None else file.header
    network = attrs.evolve(
        lowered,
        origin=Origin(cfg, structure, dialect, header, transposed, slots, recipe_cfg(source, cfg)),
        aliases={layer.name: (str(layer.index),) for layer in structure.layers},
    )
    return _with_task(
        network, source, (*notes, *_file_notes(cfg, structure, dialect)), lowered.notes
    )


def recipe_cfg(source: Source, cfg: Cfg) -> Cfg:
    """The cfg whose ``[net]`` says how to train.

    ``source.task`` names it; else it is the pruned cfg beside the weights, where the
    legacy users edit the hyper-parameters of finetuning; else the network's own.
    """
    if source.task.solver is not None:
        return read_cfg(source.task.solver)
    if source.weights is not None:
        beside = source.weights.parent / pruned_name(cfg, source.options)
        if beside.is_file() and beside.absolute() != source.model.absolute():
            return read_cfg(beside)
    return cfg


def pruned_name(cfg: Cfg, options: Mapping[str, str]) -> str:
    """Name of the cfg of the pruned structure: the option ``prunedcfg``."""
    return Path(options.get("prunedcfg", f"{cfg.path.stem}-prune.cfg")).name


def _weights_file(source: Source) -> WeightsFile | None:
    structure_only = source.options.get("structure_only", "0")
    if structure_only not in ("0", "1"):
        raise UsageError(f"option structure_only={structure_only}: give 0 or 1")
    if source.weights is not None:
        return open_weights(source.weights)
    if structure_only == "1":
        return None
    raise ModelError(
        f"{source.model}: a Darknet cfg holds no weights; give the weights file with --weights"
    )


def _with_task(
    network: Network, source: Source, before: tuple[str, ...], after: tuple[str, ...]
) -> Network:
    """The network with data, metric and recipe as the cfg and the options say them."""
    notes = (*before, *task_notes(network), *after)
    return attrs.evolve(network, task=task_of(network, source), notes=notes)


def _file_notes(cfg: Cfg, structure: Structure, dialect: Dialect) -> tuple[str, ...]:
    return (*_normalization_note(structure, dialect), *_line_ends(cfg))


def _variance_note(
    file: WeightsFile, structure: Structure, slots: Mapping[Slot, Array]
) -> tuple[str, ...]:
    """Rounding on a GPU leaves dead channels with variances such as -7e-44."""
    first, count = negative_variances(structure, slots)
    if not count:
        return ()
    return (
        f"{file.path}: {count} variances are just below 0, first in layer {first}; such channels "
        "are dead, and Darknet computes with them all the same",
    )


def _normalization_note(structure: Structure, dialect: Dialect) -> tuple[str, ...]:
    normalized = any(blob.role == "variance" for layer in structure.layers for blob in layer.blobs)
    return (dialect.note,) if normalized else ()


def _line_ends(cfg: Cfg) -> tuple[str, ...]:
    """To pjreddie's ``strip`` a carriage return is no blank: ``[net]`` becomes an unknown type."""
    if "\r" not in cfg.text:
        return ()
    return (f"{cfg.path.name} has Windows line ends: pjreddie's Darknet itself cannot read it",)
