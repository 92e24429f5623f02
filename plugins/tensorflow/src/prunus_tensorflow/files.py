"""The files of a network; imports no TensorFlow."""

from __future__ import annotations

import re
from glob import escape
from pathlib import Path

from prunus.plugin import Source
from prunus_tensorflow.detect import kind

_PART = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


def prefix_of(path: Path) -> Path:
    """Path of a checkpoint as TensorFlow's Saver calls it, of any of its files."""
    return path.with_name(_PART.sub("", path.name))


def checkpoint_beside(model: Path) -> Path | None:
    """Prefix of the checkpoint of the same name beside a MetaGraphDef; ``None`` without one."""
    beside = model.with_suffix("")
    return beside if beside.with_name(f"{beside.name}.index").exists() else None


def files_of(source: Source) -> tuple[Path, ...]:
    """Files that belong to a network besides the named ones: of a checkpoint, of a SavedModel."""
    if kind(source.model) == "savedmodel":
        return (source.model if source.model.is_dir() else source.model.parent,)
    weights = source.weights
    if weights is None and source.model.suffix == ".meta":
        weights = checkpoint_beside(source.model)
    if weights is None or weights.is_dir():
        return ()
    prefix = prefix_of(weights)
    parts = (f"{escape(prefix.name)}.index", f"{escape(prefix.name)}.data-*")
    return tuple(path for part in parts for path in prefix.parent.glob(part))
