"""Contents of a workspace's ``state.json``; its paths survive a copy or a move."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from prunus.errors import StaleError
from prunus.granularity import CHANNEL


@attrs.frozen
class NetworkFiles:
    """Where the files of one network are, as text (`portable`).

    Attributes:
        model, weights: As `prunus.network.Source`.
        directory: The round it belongs to, always in the workspace.
        changed: False after a round that changed nothing.
    """

    model: str
    weights: str | None
    directory: str | None = None
    changed: bool = True


Record = Literal["original", "source", "pruned", "finetuned", "transformed"]
"""A network that a workspace remembers."""


@attrs.frozen
class State:
    """Records of the last steps; everything is missing at first.

    Attributes:
        options: Format options the steps were given.
        solver: Training recipe file the steps were given (`portable`).
        metric: Metric they were given.
        data, train_data: Samples they were given, where that is no path.
        data_path, train_data_path: Samples they were given, where that is one (`portable`), with
            the settings behind it.
        samples: Number of evaluation samples they were given.
        granularity: Units of the last plan.
        original: The unpruned network.
        source: What the last prune started from.
        pruned, finetuned, transformed: Last results.
    """

    options: Mapping[str, str] = attrs.field(factory=dict)
    solver: str | None = None
    metric: str | None = None
    data: str | None = None
    data_path: str | None = None
    train_data: str | None = None
    train_data_path: str | None = None
    samples: int | None = None
    granularity: str = CHANNEL
    original: NetworkFiles | None = None
    source: NetworkFiles | None = None
    pruned: NetworkFiles | None = None
    finetuned: NetworkFiles | None = None
    transformed: NetworkFiles | None = None


def is_inside(path: Path, workspace: Path) -> bool:
    """Whether a path lies in a workspace, wherever links lead."""
    return path.resolve().is_relative_to(workspace.resolve())


def portable(path: Path, workspace: Path) -> str:
    """Text of a path: relative to the workspace where it lies in it, else absolute."""
    whole, root = (
        one.resolve() if ".." in one.parts else one.absolute() for one in (path, workspace)
    )
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)


def located(text: str, workspace: Path, state_file: Path) -> Path:
    """Inverse of `portable`; states of older versions hold absolute paths only.

    Raises:
        StaleError: it is no path, or a relative one that leaves the workspace.
    """
    path = Path(text)
    if "\0" in text or (".." in path.parts and not path.is_absolute()):
        raise StaleError(
            f"{state_file}: the path {text!r} leads out of the workspace; remove the file and "
            "prune again"
        )
    return path if path.is_absolute() else workspace.absolute() / path
