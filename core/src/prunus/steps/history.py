"""Reports of the steps of a workspace, with the commands and versions that made them."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

from prunus.descriptors import Format
from prunus.graph.digest import structure_digest
from prunus.host import Host
from prunus.requirements import required_by
from prunus.settings import Settings
from prunus.steps.loaded import Loaded
from prunus.steps.report import GroupRow, Report, Stage
from prunus.storage.files import make_directory, read_json, write_json

HISTORY = "history.json"
"""File of a workspace."""


@attrs.frozen
class Entry:
    """One step that ended well.

    Attributes:
        step: ``ana``, ``prune``, ``finetune``, ``transform`` or ``compress``.
        round: Name of the round's directory, where it belongs to one.
        structure: Digest of the structure of the unpruned network.
        command: The command line as it was typed; empty for a step that a program called.
        directory: Where it was typed.
        ended: Date and time, UTC, ISO 8601.
        versions: Distribution, or ``Python`` -> version.
        metric: Name of the metric of the stages.
        stages: Rows of the report.
        groups: What happened to each group.
        facts: Further named values of the report.
        warnings, notes: Its sentences.
        next: The command to go on with, without the workspace.
    """

    step: str
    round: str | None
    structure: str
    command: str
    directory: str
    ended: str
    versions: Mapping[str, str]
    metric: str | None = None
    stages: tuple[Stage, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    next: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """A step that is done again replaces itself."""
        return self.step, self.round


def history(workspace: Path) -> tuple[Entry, ...]:
    """Steps of a workspace, the oldest first; none in one of an older version.

    Raises:
        StaleError: the file is damaged.
    """
    file = workspace / HISTORY
    return read_json(file, tuple[Entry, ...]) if file.exists() else ()


def record(
    host: Host,
    settings: Settings,
    loaded: Loaded,
    report: Report,
    round: Path | None = None,
    structure: str | None = None,
) -> None:
    """Remember a step; an earlier one of the same round, or of another network, is forgotten.

    Args:
        host: Plugins.
        settings: They name the workspace; nothing is remembered without one.
        loaded: The network, masked or not.
        report: The step's own.
        round: Directory of the round.
        structure: Digest of the unpruned structure, where the network is a compact one.
    """
    workspace = settings.workspace
    if workspace is None:
        return
    structure = structure or structure_digest(loaded.network)
    entry = Entry(
        report.step,
        None if round is None else round.name,
        structure,
        shlex.join(settings.command),
        str(Path.cwd()),
        datetime.now(UTC).isoformat(timespec="seconds"),
        versions(host, loaded.format.name),
        report.metric,
        report.stages,
        report.groups,
        report.facts,
        report.warnings,
        report.notes,
        report.next,
    )
    kept = [
        one for one in history(workspace) if one.key != entry.key and one.structure == structure
    ]
    make_directory(workspace)
    write_json(workspace / HISTORY, [attrs.asdict(one) for one in (*kept, entry)])


def versions(host: Host, format: str) -> dict[str, str]:
    """Python's version, and those of the distributions that a format's results depend on."""
    found = {"Python": platform.python_version()}
    owner = host.find(Format, format).distribution.partition(" ")[0]
    for name in dict.fromkeys(("prunus", owner)):
        with suppress(metadata.PackageNotFoundError):  # a plugin of a test, or of a single file
            for one in (name, *required_by(name)):
                with suppress(metadata.PackageNotFoundError):  # another name provides it
                    found[one] = metadata.version(one)
    return found
