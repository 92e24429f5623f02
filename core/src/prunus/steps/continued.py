"""Which masked network a step goes on with: the workspace's, or one the user names.

The same options serve every step. So what names the network the workspace started from means
what became of it there.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from prunus.errors import StaleError, UsageError
from prunus.loading import is_there
from prunus.network import Source
from prunus.settings import Settings
from prunus.steps.state import Record
from prunus.steps.workspace import Workspace, workspace_of


def pruned(settings: Settings) -> Settings:
    """Settings naming the last pruned network of the workspace, or as they are.

    They stay as they are where they name a network of the user's own: neither the one the
    workspace started from nor the one its last pruned network was made from.

    Raises:
        UsageError: nothing was pruned here.
    """
    return _last(settings, "pruned")


def newest(settings: Settings) -> Settings:
    """The same with the last finetuned network, where it is of the last pruned one.

    Raises:
        UsageError: nothing was pruned here; there is neither a workspace nor a model.
    """
    if settings.workspace is None:
        if settings.model is None:
            raise UsageError("no model given; use --model FILE --weights FILE, or --workspace DIR")
        return settings
    workspace = workspace_of(settings)
    tuned = workspace.round_of("finetuned")
    same = tuned is not None and tuned == workspace.round_of("pruned")
    return _last(settings, "finetuned" if same else "pruned")


def smallest(settings: Settings) -> Settings:
    """Settings naming the workspace's transformed network, where it is of the newest one.

    Raises:
        UsageError: as `newest`.
        StaleError: the transformed network is gone.
    """
    if settings.workspace is None:
        return newest(settings)
    workspace = workspace_of(settings)
    found = workspace.recall("transformed")
    if found is None:
        return newest(settings)
    if not is_there(found):
        raise StaleError(f"{found.weights or found.model}: is gone; run 'prunus transform' again")
    settings = workspace.with_options(settings)
    return attrs.evolve(settings, model=found.model, weights=found.weights)


def unpruned(settings: Settings) -> Settings:
    """Settings naming the network that the workspace started from, where they name none.

    Raises:
        UsageError: nothing was analysed or pruned here.
        StaleError: that network is gone.
    """
    if settings.model is not None or settings.workspace is None:
        return settings
    workspace = workspace_of(settings)
    found = workspace.recall("original")
    if found is None:
        raise UsageError(
            f"{workspace.path}: nothing analysed or pruned here yet, so that it knows no network; "
            "give --model"
        )
    if not is_there(found):
        raise StaleError(f"{found.weights or found.model}: is gone; give --model")
    earlier = attrs.evolve(workspace.with_options(settings), granularity=settings.granularity)
    return attrs.evolve(earlier, model=found.model, weights=settings.weights or found.weights)


def named(settings: Settings) -> Settings:
    """Settings whose model or weights were given on the command line mean just these.

    Only the unpruned network the workspace started from means what became of it.
    """
    if settings.workspace is None:
        return settings
    workspace = workspace_of(settings)
    original = workspace.recall("original")
    if original is not None and _names(settings, original):
        return newest(settings)
    return _completed(workspace, settings)


def begun(settings: Settings) -> Settings:
    """Settings naming the workspace's original network, where they name none, and its samples.

    Raises:
        UsageError: it is not the only one that can be meant: something was pruned here.
    """
    workspace = workspace_of(settings)
    original = workspace.recall("original")
    if settings.model is not None or settings.weights is not None or original is None:
        return settings
    last = workspace.recall("finetuned") or workspace.recall("pruned")
    if last is not None:
        raise UsageError(
            f"no model given: use {_options(original)} for the original network, or "
            f"{_options(last)} to go on from the last result"
        )
    settings = workspace.with_options(settings)
    return attrs.evolve(settings, model=original.model, weights=original.weights)


def further(settings: Settings) -> Settings:
    """Settings of one more round: where they name the last result, with its options and samples.

    Its units are chosen anew.

    Raises:
        UsageError: as `begun`.
    """
    settings = begun(settings)
    workspace = workspace_of(settings)
    last = (workspace.recall("pruned"), workspace.recall("finetuned"))
    if settings.model is None or not any(
        source is not None and _same(settings.weights or settings.model, _holder(source))
        for source in last
    ):
        return settings
    return attrs.evolve(workspace.with_options(settings), granularity=settings.granularity)


def _options(source: Source) -> str:
    weights = "" if source.weights is None else f" --weights {source.weights}"
    return f"--model {source.model}{weights}"


def _holder(source: Source) -> Path:
    """The file that holds the weights."""
    return source.weights or source.model


def _last(settings: Settings, result: Record) -> Settings:
    workspace = workspace_of(settings)
    known = [
        source for source in (workspace.recall("original"), workspace.recall("source")) if source
    ]
    found = workspace.recall(result)
    itself = found is not None and settings.weights and _same(settings.weights, found.weights)
    own = settings.model is not None or settings.weights is not None
    if own and not itself and not any(_names(settings, source) for source in known):
        return _completed(workspace, settings)
    if found is None:
        raise UsageError(f"{workspace.path}: nothing pruned here yet; run 'prunus prune' first")
    if not is_there(found):
        raise StaleError(f"{found.weights or found.model}: is gone; run 'prunus prune' again")
    settings = workspace.with_options(settings)
    return attrs.evolve(settings, model=found.model, weights=found.weights)


def _completed(workspace: Workspace, settings: Settings) -> Settings:
    """Weights without a model are of the one the workspace started from, read as it was."""
    original = workspace.recall("original")
    if original is None or not _same(settings.model, original.model):
        return settings
    return attrs.evolve(workspace.with_options(settings), model=original.model)


def _names(settings: Settings, source: Source) -> bool:
    """A missing value contradicts nothing."""
    return _same(settings.model, source.model) and _same(settings.weights, source.weights)


def _same(given: Path | None, known: Path | None) -> bool:
    return given is None or (known is not None and given.resolve() == known.resolve())
