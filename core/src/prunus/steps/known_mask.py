"""The mask of a network: the plan's where the workspace wrote it, else read from its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prunus.errors import StaleError
from prunus.grouping import Grouping
from prunus.masking import masked_units
from prunus.network import Source
from prunus.planning.choose import Keep
from prunus.plans import Plan
from prunus.steps.loaded import Loaded
from prunus.steps.workspace import Workspace
from prunus.storage.files import read_json

PLAN = "plan.json"
"""File of a round that holds its plan; where weights regrew, another lies beside the finetuned."""

SNAPSHOTS = "snapshots"
"""Directory of a round for what a training writes."""


def mask_of(workspace: Workspace | None, loaded: Loaded) -> Keep:
    """Units that stay: group name -> ``(C,)`` bool; groups that keep all are left out.

    Channels that happen to be zero are no part of a plan, and stay. A network that no plan is
    known of is masked where its weights are zero.

    Raises:
        StaleError: the plan is damaged or of another structure, or the weights do not hold it.
    """
    stored = masked_units(loaded.network, loaded.grouping)
    file = None if workspace is None else _plan_file(workspace, loaded.source)
    if not stored or file is None or not file.exists():
        return stored
    sizes = {group.name: group.size for group in loaded.grouping.groups}
    try:
        plan = Plan.from_json(read_json(file, Any))
        same = plan.granularity == str(loaded.granularity)
        if not same or any(sizes.get(n) != group.size for n, group in plan.groups.items()):
            return stored  # other units, or other layers are excluded now: other groups
        keep = plan.keep(loaded)
    except StaleError as error:
        said = str(error).removeprefix(f"{file}: ")
        raise StaleError(f"{file}: {said}") from error
    for name in keep:
        if not _holds(loaded.grouping, name, stored, keep):
            raise StaleError(
                f"{loaded.source.weights or loaded.source.model}: group '{name}' does not hold the "
                f"mask of {file}; run 'prunus prune' again, or give --model and --weights without "
                "--workspace"
            )
    return keep


def _holds(grouping: Grouping, name: str, stored: Keep, keep: Keep) -> bool:
    """Whether a group has lost what a plan removes; with heads go channels of other groups."""
    if name in grouping.units or name in grouping.heads:
        there, wanted = grouping.kept_channel_ids(stored), grouping.kept_channel_ids(keep)
        return not (there & ~wanted & grouping.holds(name)).any()
    return not (stored.get(name, np.ones_like(keep[name])) & ~keep[name]).any()


def _plan_file(workspace: Workspace, source: Source) -> Path | None:
    """The plan of the round that wrote a network."""
    for name in ("finetuned", "pruned"):
        found = workspace.recall(name)
        if found is not None and _files(found) == _files(source):
            directory = workspace.round_of(name)
            if directory is None:
                return None
            regrown = directory / SNAPSHOTS / PLAN
            return regrown if name == "finetuned" and regrown.exists() else directory / PLAN
    return None


def _files(source: Source) -> tuple[Path | None, ...]:
    return tuple(path and path.resolve() for path in (source.model, source.weights))
