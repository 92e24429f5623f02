"""``prunus finetune``: train the compact network, scatter the weights back."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from prunus.compaction import compact
from prunus.errors import PlanError, UsageError
from prunus.evaluation.choice import feeds
from prunus.evaluation.evaluator import Evaluator
from prunus.graph.parameters import parameters
from prunus.host import Host
from prunus.network import Compact, Network, Source, Written
from prunus.planning.choose import Keep
from prunus.proof.batches import SIZES, Inputs
from prunus.proof.plan import is_exact, prove_plan
from prunus.settings import Settings
from prunus.steps.known_mask import mask_of
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.masked import pruned
from prunus.steps.measuring import measured_if_possible
from prunus.steps.original import original_of
from prunus.steps.report import (
    Report,
    Stage,
    new_files,
    size_on_disk,
    warnings_of,
    whole_stage,
)
from prunus.steps.sample_check import sample_warning
from prunus.steps.training_samples import check_computable, training_samples
from prunus.steps.workspace import Workspace, workspace_of
from prunus.storage.files import make_directory
from prunus.storage.native import write_masked
from prunus.task import Dataset, Measurement
from prunus.training import Progress, TrainingJob, Weights
from prunus.training.compact import measured_by, train_compact
from prunus.training.scatter import with_weights
from prunus.training.tuning import Tuning, recipe_notes, recipe_of

DEFAULT_TRAINER = "torch"
GIVEN = "given"
"""Directory in the workspace for what is made of a masked network of the user's own."""
UNKNOWN = "the workspace knows no unpruned network of this structure: the original is not measured"


@attrs.frozen(eq=False)
class Finetuned:
    """Result of ``finetune``."""

    network: Network
    written: Written
    report: Report


@alone
def finetune(
    host: Host,
    settings: Settings,
    tuning: Tuning,
    report: Callable[[Progress], None] = lambda _: None,
) -> Finetuned:
    """Train the compact form of a masked network: the workspace's last pruned one, or another.

    Args:
        host: Plugins.
        settings: Where model and weights name a network of the user's own, that is trained
            (`prunus.steps.masked.pruned`), with the mask its weights hold.
        tuning: How.
        report: Told how it goes.

    Raises:
        UsageError: nothing was pruned in this workspace, the original network is not known, or the
            trainer cannot compute the network.
        PlanError: the weights hold no mask.
        StaleError: the weights do not hold the mask of the workspace's plan.
        DataError: no training samples, or no labels without ``distill``.
        ProofError: masked and compact network do not give the same finite numbers.
    """
    workspace = workspace_of(settings)
    settings = pruned(settings)
    loaded = load(host, settings)
    keep = mask_of(workspace, loaded)
    if not keep and not _is_unchanged(workspace, loaded.source):
        raise PlanError(f"{_place(loaded)}: the weights hold no mask; run 'prunus prune' first")
    original = original_of(host, settings, workspace, loaded)
    if tuning.distill and original is None:
        raise UsageError(
            f"--distill learns from the original network, and {workspace.path} knows none of this "
            "structure; name its weights as baseline in prunus.toml"
        )
    smaller = compact(loaded.network, loaded.grouping, keep)
    training = training_samples(loaded, settings, tuning)
    inputs = _some_inputs(loaded, training)
    # hours of training end in a proof, so that it begins with one
    prove_plan(loaded, keep, loaded.network, smaller, inputs)
    known = loaded.network if original is None else original.network
    evaluator, unmeasured = measured_if_possible(loaded, settings, known)
    about = sample_warning(known, training, tuning.data, "--train-data")
    trainer = settings.trainer or DEFAULT_TRAINER
    check_computable(host, trainer, loaded, training)
    recipe = recipe_of(loaded.network, tuning, training)
    name = f"_iter_{recipe.iterations}"
    directory = _snapshots(workspace, loaded, name)
    anew = tuning.resume and not any(directory.iterdir())
    # before a trainer holds its own copies of all weights
    baseline = None if evaluator is None or original is None else evaluator.baseline
    job = TrainingJob(
        loaded.network,
        smaller,
        recipe,
        training,
        measured_by(evaluator, smaller),
        original.network if tuning.distill and original is not None else None,
        directory,
        tuning.resume,
        settings.seed or 0,
        report,
        tuning.options,
        settings.allow_code,
    )
    trained = train_compact(host, trainer, loaded, keep, job, inputs)
    written = write_masked(host, loaded.source, trained.network, trained.compact, directory, name)
    network, weights, proof = trained.network, trained.weights, trained.proof
    del trained
    gc.collect()  # graphs are full of cycles: its weights would stay while networks are measured
    workspace.remember("finetuned", written, directory=directory.parent)
    notes = (
        *warnings_of(evaluator),
        *(() if about is None else (about,)),
        *loaded.network.notes,
        *(() if unmeasured is None else (unmeasured,)),
        *((f"{directory}: no snapshot to resume; the training began anew",) if anew else ()),
        *recipe_notes(recipe),
        *(() if original else (UNKNOWN,)),
        *(() if proof.limit is None else (proof.limit,)),
    )
    facts = {
        "iterations": recipe.iterations,
        "exact": is_exact(loaded, keep),
        "proof": attrs.asdict(proof),
    }
    result = _report(loaded, keep, baseline, smaller, weights, evaluator, written, notes, facts)
    return Finetuned(network, written, result)


def _some_inputs(loaded: Loaded, training: Dataset) -> Inputs | None:
    """The first training inputs; ``None`` where they do not feed every input of the graph."""
    batch = training.read(np.arange(min(len(training), sum(SIZES))), None)
    return batch.inputs if feeds(batch, loaded.network) else None


def _is_unchanged(workspace: Workspace, source: Source) -> bool:
    """A round of rate 0: users of the legacy tools begin with one and train the whole network."""
    last = workspace.recall("pruned")
    same = last is not None and (last.model, last.weights) == (source.model, source.weights)
    stored = workspace.state().pruned
    return same and stored is not None and not stored.changed


def _place(loaded: Loaded) -> Path:
    return loaded.source.weights or loaded.source.model


def _snapshots(workspace: Workspace, loaded: Loaded, name: str) -> Path:
    """Directory of the round's snapshots and result; the workspace goes on from this network.

    Raises:
        UsageError: the result would replace what it is made from.
    """
    source, last = loaded.source, workspace.recall("pruned")
    own = last is None or (last.model, last.weights) != (source.model, source.weights)
    directory = workspace.directory(GIVEN).absolute() if own else workspace.round_of("pruned")
    assert directory is not None
    _check_apart(_place(loaded), directory / "snapshots", name)
    if own:
        workspace.keep_options(source.options)
        workspace.update(finetuned=None)
        workspace.remember("source", source)
        workspace.remember("pruned", source, directory=directory, changed=True)
    make_directory(directory / "snapshots")
    return directory / "snapshots"


def _check_apart(start: Path, directory: Path, name: str) -> None:
    if start.absolute().is_relative_to(directory):
        first = start.absolute().relative_to(directory).parts[0]
        if first.split(".")[0].endswith(name):
            raise UsageError(
                f"{start}: the finetuned network would replace it; change --iterations or copy it "
                "elsewhere"
            )


def _report(
    loaded: Loaded,
    keep: Keep,
    baseline: Measurement | None,
    smaller: Compact,
    trained: Weights,
    evaluator: Evaluator | None,
    written: Written,
    notes: tuple[str, ...],
    facts: dict[str, Any],
) -> Report:
    macs = round(loaded.cost.macs(loaded.cost.kept(keep)))
    params = parameters(loaded.network, smaller.model)
    before = None if evaluator is None else evaluator.measure(smaller.model)
    after = None if evaluator is None else evaluator.measure(with_weights(smaller, trained).model)
    stages = (
        whole_stage(loaded, loaded.network, baseline),
        Stage("pruned", before, macs, params),
        Stage("finetuned", after, macs, params, size_on_disk(written, loaded.format)),
    )
    metric = None if evaluator is None else evaluator.metric.name
    files = new_files(written, loaded.source)
    return Report("finetune", metric, stages, (), notes, files, "prunus transform", facts)
