"""``prunus finetune``: train the compact network, scatter the weights back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from prunus.compaction import compact
from prunus.descriptors import Trainer
from prunus.errors import PlanError, UsageError
from prunus.evaluation.choice import feeds
from prunus.evaluation.evaluator import Evaluator, Look
from prunus.graph.release import collect_copies
from prunus.host import Host
from prunus.network import Compact, Network, Source, Written
from prunus.planning.choose import Keep
from prunus.plans import Plan, plan_of
from prunus.progress import announce
from prunus.proof.batches import SIZES, Inputs
from prunus.proof.plan import is_exact, prove_plan
from prunus.settings import DEFAULT_TRAINER, Settings
from prunus.steps.continued import pruned
from prunus.steps.history import record
from prunus.steps.known_mask import PLAN, SNAPSHOTS, mask_of
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.measuring import measured_if_possible
from prunus.steps.original import UNKNOWN, Original, original_of
from prunus.steps.report import (
    Report,
    Stage,
    collapse_of,
    latency,
    looked_at,
    new_files,
    size_on_disk,
    warnings_of,
    whole_stage,
)
from prunus.steps.sample_check import sample_warning
from prunus.steps.training_samples import check_computable, training_samples
from prunus.steps.workspace import Workspace, workspace_of
from prunus.storage.files import make_directory, read_json, write_json
from prunus.storage.native import write_masked
from prunus.task import Dataset, Measurement, Recipe
from prunus.training import Progress, TrainingJob, Weights
from prunus.training.compact import measured_by, train_compact
from prunus.training.scatter import with_weights
from prunus.training.tuning import Tuning, recipe_of, time_note, warm_up_note
from prunus.training.weight_masks import check_holds, masks_of, splicing_of

GIVEN = "given"
"""Directory in the workspace for what is made of a masked network of the user's own."""


@attrs.frozen(eq=False)
class Finetuned:
    """Result of ``finetune``."""

    network: Network
    written: Written
    report: Report


@attrs.frozen(eq=False)
class _Subject:
    """The masked network that is trained.

    Attributes:
        loaded: The masked network.
        keep: Its mask.
        original: The network it was pruned from, where that is known.
        smaller: Its compact form, which the trainer gets.
        training: Samples to train on.
        inputs: Some of them, for the proofs; ``None`` where they do not feed every input.
    """

    loaded: Loaded
    keep: Keep
    original: Original | None
    smaller: Compact
    training: Dataset
    inputs: Inputs | None

    @property
    def known(self) -> Network:
        """The original, else the masked network itself."""
        return self.loaded.network if self.original is None else self.original.network


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
            (`prunus.steps.continued.pruned`), with the mask its weights hold.
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
    subject = _subject(host, settings, tuning, workspace)
    loaded, keep, training = subject.loaded, subject.keep, subject.training
    # hours of training end in a proof, so that it begins with one
    prove_plan(loaded, keep, loaded.network, subject.smaller, subject.inputs)
    evaluator, unmeasured = measured_if_possible(loaded, settings, subject.known)
    about = sample_warning(subject.known, training, settings.train_data, "--train-data")
    trainer = settings.trainer or DEFAULT_TRAINER
    check_computable(host, trainer, loaded, training)
    recipe = recipe_of(loaded.network, tuning, training)
    beforehand = _announced(subject, recipe)
    name = f"_iter_{recipe.iterations}"
    directory = _directory(workspace, loaded) / SNAPSHOTS
    _check_apart(_weights_file(loaded), directory, name)
    _begin(workspace, loaded, directory)
    workspace.keep_options(settings)
    anew = tuning.resume and not any(directory.iterdir())
    # before a trainer holds its own copies of all weights
    baseline = None if evaluator is None or not subject.original else evaluator.baseline
    job = attrs.evolve(
        _job(settings, tuning, subject, recipe, directory),
        evaluate=measured_by(evaluator, subject.smaller),
        report=report,
    )
    trained = train_compact(host, trainer, loaded, keep, job, subject.inputs)
    written = write_masked(host, loaded.source, trained.network, trained.compact, directory, name)
    network, weights, proof = trained.network, trained.weights, trained.proof
    _keep_plan(loaded, trained.keep, directory, regrown=tuning.regrow > 0)
    del trained
    collect_copies(network.model)  # before networks are measured
    workspace.remember("finetuned", written, directory=directory.parent)
    warnings = (*warnings_of(evaluator), *(() if about is None else (about,)))
    notes = (
        *loaded.network.notes,
        *((f"{directory}: no snapshot to resume; the training began anew",) if anew else ()),
        *(() if subject.original else (UNKNOWN,)),
        *(() if proof.limit is None else (proof.limit,)),
    )
    facts = {
        "iterations": recipe.iterations,
        "announced": beforehand,
        "exact": is_exact(loaded, keep),
        "granularity": str(loaded.granularity),
        "proof": attrs.asdict(proof),
    }
    result = _report(subject, baseline, weights, evaluator, recipe, written, facts)
    warnings = (*result.warnings, *warnings)
    result = attrs.evolve(result, notes=notes, warnings=warnings, unmeasured=unmeasured)
    record(host, settings, loaded, result, directory.parent)
    return Finetuned(network, written, result)


def assist(host: Host, settings: Settings, tuning: Tuning) -> None:
    """Help another process that does the same `finetune`; nothing is written.

    Raises:
        PluginError: the trainer is missing or failed.
        PrunusError: as `finetune`.
    """
    workspace = workspace_of(settings)
    settings = pruned(settings)
    subject = _subject(host, settings, tuning, workspace)
    loaded = subject.loaded
    recipe = recipe_of(loaded.network, tuning, subject.training)
    directory = _directory(workspace, loaded) / SNAPSHOTS
    job = _job(settings, tuning, subject, recipe, directory)
    host.call(Trainer, settings.trainer or DEFAULT_TRAINER, "prunus_finetune", job=job)


def _job(
    settings: Settings, tuning: Tuning, subject: _Subject, recipe: Recipe, directory: Path
) -> TrainingJob:
    """The training, without a measurement and without a report."""
    loaded, keep = subject.loaded, subject.keep
    return TrainingJob(
        loaded.network,
        subject.smaller,
        recipe,
        subject.training,
        None,
        subject.known if tuning.distill else None,
        directory,
        tuning.resume,
        settings.seed or 0,
        lambda progress: None,
        tuning.options,
        settings.allow_code,
        masks_of(loaded, keep),
        splicing_of(loaded, keep, tuning.regrow) if tuning.regrow else None,
    )


def _subject(host: Host, settings: Settings, tuning: Tuning, workspace: Workspace) -> _Subject:
    loaded = load(host, settings)
    keep = mask_of(workspace, loaded)
    if not keep and not _is_unchanged(workspace, loaded.source):
        raise PlanError(
            f"{_weights_file(loaded)}: the weights hold no mask; run 'prunus prune' first"
        )
    original = original_of(host, settings, workspace, loaded)
    if tuning.distill and original is None:
        raise UsageError(
            f"--distill learns from the original network, and {workspace.path} knows none of this "
            "structure; name its weights as baseline in prunus.toml"
        )
    trainer = settings.trainer or DEFAULT_TRAINER
    check_holds(host, trainer, loaded, regrow=tuning.regrow > 0)
    smaller = compact(loaded.network, loaded.grouping, keep)
    training = training_samples(loaded, settings, tuning)
    return _Subject(loaded, keep, original, smaller, training, _some_inputs(loaded, training))


def _announced(subject: _Subject, recipe: Recipe) -> list[str]:
    """Sentences that the user reads before the training."""
    notes = (
        warm_up_note(subject.loaded.network, recipe),
        time_note(recipe, latency(subject.smaller.model)),
    )
    found = [note for note in notes if note is not None]
    for note in found:
        announce(note)
    return found


def _keep_plan(loaded: Loaded, keep: Keep, directory: Path, *, regrown: bool) -> None:
    """Beside weights whose mask is another one than the round's: the plan they hold."""
    place, round_ = directory / PLAN, directory.parent / PLAN
    if regrown and round_.exists():
        plan = Plan.from_json(read_json(round_, Any))
        chosen = plan_of(loaded, keep, plan.budget, plan.criterion, plan.allocation)
        write_json(place, chosen.to_json())
    else:
        place.unlink(missing_ok=True)


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


def _weights_file(loaded: Loaded) -> Path:
    return loaded.source.weights or loaded.source.model


def _directory(workspace: Workspace, loaded: Loaded) -> Path:
    """Directory of the round, or of what is made of a masked network of the user's own."""
    own = _is_own(workspace, loaded.source)
    directory = workspace.directory(GIVEN).absolute() if own else workspace.round_of("pruned")
    assert directory is not None
    return directory


def _is_own(workspace: Workspace, source: Source) -> bool:
    last = workspace.recall("pruned")
    return last is None or (last.model, last.weights) != (source.model, source.weights)


def _begin(workspace: Workspace, loaded: Loaded, snapshots: Path) -> None:
    """The workspace goes on from this network; its directory of snapshots is made."""
    if _is_own(workspace, loaded.source):
        workspace.update(finetuned=None)
        workspace.remember("source", loaded.source)
        workspace.remember("pruned", loaded.source, directory=snapshots.parent, changed=True)
    make_directory(snapshots)


def _check_apart(start: Path, directory: Path, name: str) -> None:
    """The result must not replace what it is made from.

    Raises:
        UsageError: it would.
    """
    if start.absolute().is_relative_to(directory):
        first = start.absolute().relative_to(directory).parts[0]
        if first.split(".")[0].endswith(name):
            raise UsageError(
                f"{start}: the finetuned network would replace it; change --iterations or copy it "
                "elsewhere"
            )


def _report(
    subject: _Subject,
    baseline: Measurement | None,
    trained: Weights,
    evaluator: Evaluator | None,
    recipe: Recipe,
    written: Written,
    facts: dict[str, Any],
) -> Report:
    loaded, smaller = subject.loaded, subject.smaller
    macs = loaded.macs(subject.keep)
    params = loaded.params(subject.keep, smaller.model)
    before = None if evaluator is None else evaluator.look(smaller.model)
    after = None if evaluator is None else evaluator.look(with_weights(smaller, trained).model)
    size = size_on_disk(written, loaded.format)
    known = None if subject.original is None else subject.original.source
    whole_size = (
        None if known is None else size_on_disk(Written(known.model, known.weights), loaded.format)
    )
    stages = (
        whole_stage(loaded, loaded.network, baseline, whole_size),
        looked_at(Stage("pruned", None, macs, params), before),
        looked_at(Stage("finetuned", None, macs, params, size), after),
    )
    metric = None if evaluator is None else evaluator.metric.name
    harm = None if evaluator is None else _harm(evaluator, before, after, recipe)
    files = new_files(written, loaded.source)
    return Report(
        "finetune",
        metric,
        stages,
        files=files,
        next="prunus transform",
        facts=facts,
        warnings=() if harm is None else (harm,),
        collapse=collapse_of(after, "finetuned"),
    )


def _harm(
    evaluator: Evaluator, before: Look | None, after: Look | None, recipe: Recipe
) -> str | None:
    """A sentence where the training lost more than the metric's standard error."""
    if before is None or after is None:
        return None
    pruned, trained = before.value, after.value
    worse = evaluator.loss_of(trained.value) - evaluator.loss_of(pruned.value)
    if not worse > max(pruned.error, trained.error):
        return None
    return (
        f"training made it worse: {evaluator.metric.name} {pruned.value:.4g} before, "
        f"{trained.value:.4g} after; try --learning-rate {recipe.learning_rate.base / 10:.2g}, or "
        "more training samples"
    )
