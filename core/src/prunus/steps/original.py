"""The unpruned network that comparisons, teaching and fidelity refer to."""

from __future__ import annotations

import attrs

from prunus.errors import UsageError
from prunus.graph.digest import structure_digest
from prunus.host import Host
from prunus.loading import is_there, read_network
from prunus.network import Network, Source
from prunus.settings import Settings
from prunus.steps.loaded import Loaded
from prunus.steps.workspace import Workspace

UNKNOWN = (
    "the workspace knows no unpruned network of this structure: the original is not measured; "
    "baseline in prunus.toml (--config) names its weights"
)
"""Note of steps that compare with the original network."""


@attrs.frozen(eq=False)
class Original:
    """The unpruned network and where it is."""

    network: Network
    source: Source


def original_of(
    host: Host, settings: Settings, workspace: Workspace | None, masked: Loaded
) -> Original | None:
    """The original of a masked network: the configuration's baseline, else the workspace's.

    ``None`` where neither is known, or the workspace's is gone or of another structure.

    Raises:
        UsageError: the baseline is missing or of another structure.
    """
    if settings.baseline is not None:
        return _baseline(host, settings, masked)
    stored = None if workspace is None else workspace.recall("original")
    if stored is None or not is_there(stored):
        return None
    found = _read(host, stored, masked)
    return found if _alike(found, masked) else None


def starting_point(
    host: Host, settings: Settings, workspace: Workspace, loaded: Loaded, *, masked: bool
) -> Original:
    """The unpruned network that a prune of ``loaded`` is compared with.

    A network without a mask is the original itself, whatever the workspace held before, unless it
    was finetuned here (after a round of rate 0).
    """
    known = masked or settings.baseline is not None or _tuned_here(workspace, loaded)
    found = original_of(host, settings, workspace, loaded) if known else None
    return found or Original(loaded.network, loaded.source)


def _tuned_here(workspace: Workspace, loaded: Loaded) -> bool:
    tuned, source = workspace.recall("finetuned"), loaded.source
    if tuned is None:
        return False
    theirs, ours = tuned.weights or tuned.model, source.weights or source.model
    return theirs.resolve() == ours.resolve()


def _baseline(host: Host, settings: Settings, masked: Loaded) -> Original:
    path = settings.baseline
    assert path is not None
    inside = masked.source.weights is None
    source = Source(path) if inside else Source(masked.source.model, path)
    if not is_there(source):
        raise UsageError(f"{path}: no such file; check baseline in the configuration")
    found = _read(host, source, masked)
    if not _alike(found, masked):
        raise UsageError(f"{path}: baseline has another structure than {masked.source.model}")
    return found


def _read(host: Host, source: Source, masked: Loaded) -> Original:
    source = attrs.evolve(source, options=masked.source.options, task=masked.source.task)
    return Original(read_network(host, source), source)


def _alike(found: Original, masked: Loaded) -> bool:
    return structure_digest(found.network) == structure_digest(masked.network)
