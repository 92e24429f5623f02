"""The ancestor's ``config.prototxt`` to settings (decent_p, vai_p_caffe; UG1333).

Paths are relative to the working directory, as they were.
"""

from __future__ import annotations

import re
from pathlib import Path

from prunus.errors import UsageError
from prunus.regular import read_regular
from prunus.settings import Settings
from prunus_caffe import prototxt
from prunus_caffe.document import Block, Document

_KEY = re.compile(rb"^\s*(workspace|pruner)\s*[:{]", re.M)

_EVALUATION = ("ssd_ap_version", "eval_type", "classiou_class_num")
"""Keys of the ancestor's own detection and segmentation metrics."""

_KNOWN = frozenset(
    "workspace gpu test_iter acc_name model weights solver rate pruner exclude kernel_batch".split()
) | frozenset(_EVALUATION)


def read_config(path: Path) -> Settings | None:
    """Settings of a config.prototxt; ``None`` for any other file.

    Raises:
        ModelError: the text is broken (file and line).
        UsageError: a value does not fit its key.
    """
    try:
        head = read_regular(path)[:65536]
    except OSError:
        return None
    if b"\0" in head or not _KEY.search(head):
        return None
    document = prototxt.read(path)
    if document.root.blocks("layer") or document.root.blocks("layers"):
        return None
    return _settings(document)


def _settings(document: Document) -> Settings:
    root = document.root
    notes = [
        f"{document.path}:{field.line}: key '{field.name}' is not known and has no effect"
        for field in root.fields
        if field.name not in _KNOWN
    ]
    notes += [
        f"'{key}' belongs to decent_p's own metric and has no effect"
        for key in _EVALUATION
        if root.scalars(key)
    ]
    gpu = _text(root, "gpu")
    if gpu is not None:
        notes.append(f"gpu {gpu}: the CPU is used; 'finetune --device cuda' trains on a GPU")
    workspace, model = _text(root, "workspace"), _text(root, "model")
    if workspace is None or model is None:
        missing = "workspace" if workspace is None else "model"
        raise UsageError(f"{document.path}: expected key '{missing}', found none")
    return Settings(
        model=Path(model),
        weights=_weights(root),
        solver=_path(root, "solver"),
        workspace=Path(workspace),
        rate=_number(document, "rate"),
        metric=_text(root, "acc_name"),
        batches=_whole(document, "test_iter") or 100,
        multiple=_whole(document, "kernel_batch"),
        exclude=_excluded(document),
        notes=tuple(notes),
    )


def _text(root: Block, key: str) -> str | None:
    found = root.scalars(key)
    return found[-1].string() if found else None


def _path(root: Block, key: str) -> Path | None:
    text = _text(root, key)
    return None if text is None else Path(text)


def _weights(root: Block) -> Path | None:
    """Published configurations name a snapshot without the directory ``snapshots`` it is in."""
    path = _path(root, "weights")
    if path is None or path.exists():
        return path
    inside = path.parent / "snapshots" / path.name
    return inside if inside.exists() else path


def _number(document: Document, key: str) -> float | None:
    found = document.root.scalars(key)
    if not found:
        return None
    try:
        return float(found[-1].text)
    except ValueError:
        line = found[-1].line
        raise UsageError(
            f"{document.path}:{line}: expected a number after '{key}', found '{found[-1].text}'"
        ) from None


def _whole(document: Document, key: str) -> int | None:
    value = _number(document, key)
    if value is not None and (value != int(value) or value < 1):
        raise UsageError(f"{document.path}: '{key}' is a whole number from 1, found {value:g}")
    return None if value is None else int(value)


def _excluded(document: Document) -> tuple[str, ...]:
    names: list[str] = []
    for pruner in document.root.blocks("pruner"):
        for method in pruner.scalars("method"):
            if method.text != "REGULAR":
                raise UsageError(
                    f"{document.path}:{method.line}: method '{method.text}' is not known; "
                    "the only one is REGULAR"
                )
        for exclude in pruner.blocks("exclude"):
            names += [value.string() for value in exclude.scalars("layer_top")]
    for exclude in document.root.blocks("exclude"):
        names += [value.string() for value in exclude.scalars("layer_top")]
    return tuple(names)
