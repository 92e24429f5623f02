"""``config.prototxt`` of decent_p to settings (decent_p, vai_p_caffe; UG1333).

Paths are relative to the working directory, as they were.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from prunus.plugin import (
    COUNT,
    Range,
    Settings,
    TextBlock,
    TextDocument,
    TextField,
    TextScalar,
    UsageError,
    read_protobuf_text,
    read_regular,
)
from prunus_caffe.bind import NEAR

_KEY = re.compile(rb"^\s*(workspace|pruner)\s*[:{]", re.M)

_EVALUATION = ("ssd_ap_version", "eval_type", "classiou_class_num")
"""Keys of decent_p's own detection and segmentation metrics."""

_VALUES = frozenset(
    "workspace gpu test_iter acc_name model weights solver rate kernel_batch".split()
)
_BLOCKS = {
    "pruner": frozenset({"method", "exclude"}),
    "exclude": frozenset({"layer_top"}),
}
"""Keys that open a block, and what stands in it."""

_RATE = Range(0, 1, above=True, below=True)


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
    document = read_protobuf_text(path)
    if document.root.blocks("layer") or document.root.blocks("layers"):
        return None
    return _settings(document)


def _settings(document: TextDocument) -> Settings:
    root = document.root
    notes = _unknown(document)
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
        rate=_number(document, "rate", _RATE),
        metric=_text(root, "acc_name"),
        batches=_whole(document, "test_iter") or 100,
        multiple=_whole(document, "kernel_batch"),
        exclude=_excluded(document),
        notes=tuple(notes),
        legacy_count=True,
    )


def _unknown(document: TextDocument) -> list[str]:
    """Notes about keys that are not known.

    Raises:
        UsageError: a key that is nearly a known one, one inside a block, or a value instead of
            a block.
    """
    notes = []
    for field in document.root.fields:
        if field.name in _BLOCKS:
            _check_block(document, field)
        elif field.name in _VALUES:
            _check_value(document, field)
        elif field.name not in _EVALUATION:
            known = _VALUES | _BLOCKS.keys()
            near = difflib.get_close_matches(field.name, known, 1, NEAR)
            if near:
                raise _misspelt(document, field, near[0])
            notes.append(
                f"{document.path}:{field.line}: key '{field.name}' is not known and has no effect"
            )
    return notes


def _check_block(document: TextDocument, block: TextField) -> None:
    """Nothing inside a block is passed over: what it would have excluded would be pruned."""
    for value in block.values:
        if isinstance(value, TextScalar):
            raise UsageError(
                f"{document.path}:{value.line}: expected '{{' after '{block.name}', "
                f"found '{value.text}'"
            )
        for field in value.fields:
            known = sorted(_BLOCKS[block.name])
            if field.name not in known:
                near = difflib.get_close_matches(field.name, known, 1, NEAR)
                raise _misspelt(document, field, near[0] if near else None, block.name, known)
            if field.name in _BLOCKS:
                _check_block(document, field)
            else:
                _check_value(document, field)


def _check_value(document: TextDocument, field: TextField) -> None:
    for value in field.values:
        if isinstance(value, TextBlock):
            raise UsageError(
                f"{document.path}:{value.line}: expected a value for '{field.name}', found a block"
            )


def _misspelt(
    document: TextDocument,
    field: TextField,
    near: str | None,
    block: str = "",
    known: Sequence[str] = (),
) -> UsageError:
    where = f" in '{block}'" if block else ""
    mend = f"did you mean '{near}'?" if near else f"it holds {' and '.join(known)}"
    return UsageError(f"{document.path}:{field.line}: unknown key '{field.name}'{where}; {mend}")


def _text(root: TextBlock, key: str) -> str | None:
    found = root.scalars(key)
    return found[-1].string() if found else None


def _path(root: TextBlock, key: str) -> Path | None:
    text = _text(root, key)
    return None if text is None else Path(text)


def _weights(root: TextBlock) -> Path | None:
    """Published configurations name a snapshot without the directory ``snapshots`` it is in."""
    path = _path(root, "weights")
    if path is None:
        return None
    inside = path.parent / "snapshots" / path.name
    # not Path.exists: it raises for a name that is too long
    return inside if os.path.exists(inside) and not os.path.exists(path) else path


def _number(document: TextDocument, key: str, allowed: Range) -> float | None:
    found = document.root.scalars(key)
    if not found:
        return None
    text = found[-1].text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not allowed.holds(value):
        raise UsageError(
            f"{document.path}:{found[-1].line}: expected {allowed} for '{key}', found '{text[:40]}'"
        )
    return value


def _whole(document: TextDocument, key: str) -> int | None:
    value = _number(document, key, COUNT)
    return None if value is None else int(value)


def _excluded(document: TextDocument) -> tuple[str, ...]:
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
