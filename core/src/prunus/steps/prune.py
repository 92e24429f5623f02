"""``prunus prune``: choose channels for a rate or a threshold, mask them, report."""

from __future__ import annotations

import attrs
import numpy as np

from prunus.descriptors import Format
from prunus.errors import StaleError
from prunus.evaluation.evaluator import Evaluator
from prunus.graph.digest import structure_digest, weights_digest
from prunus.host import Host
from prunus.masking import masked_units
from prunus.network import Compact, Network, Source, Written
from prunus.planning.budget import Budget, check_budget
from prunus.planning.choose import Keep, choose, default_allocation
from prunus.planning.scores import DEFAULT_CRITERION
from prunus.planning.verdict import verdict
from prunus.plans import Plan, plan_of
from prunus.proof.plan import prove_plan
from prunus.pruning import carry_out
from prunus.sensitivity import Sensitivity
from prunus.settings import Settings
from prunus.steps.calibrate import calibrate
from prunus.steps.known_mask import PLAN, mask_of
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.measuring import measured_if_possible
from prunus.steps.original import starting_point
from prunus.steps.pruning_report import notes_of, report_of
from prunus.steps.report import Report
from prunus.steps.workspace import Workspace, workspace_of
from prunus.storage.files import write_json
from prunus.storage.native import write_masked


@attrs.frozen(eq=False)
class Pruned:
    """A plan carried out."""

    loaded: Loaded
    masked: Network
    compact: Compact
    keep: Keep
    written: Written
    report: Report
    changed: bool


@alone
def prune(host: Host, settings: Settings, train_data: str | None = None) -> Pruned:
    """Choose, mask, compensate kept weights, prove, measure and write.

    Args:
        host: Plugins.
        settings: What to prune, and how far.
        train_data: Samples to calibrate with, instead of the network's own training samples.

    Raises:
        PlanError: the target is out of reach, missed by a tenth of it, or the plan is empty.
        StaleError: the stored analysis is of another network.
        ProofError: the masked and the compact network do not give the same finite numbers.
        ModelError: the format cannot express the compact network.
    """
    budget = _budget(settings)
    workspace = workspace_of(settings)
    loaded = load(host, settings)
    present = mask_of(workspace, loaded)
    start = starting_point(host, settings, workspace, loaded, masked=bool(present))
    original, source = start.network, start.source
    evaluator, unmeasured = measured_if_possible(loaded, settings, original)
    sensitivity = _matching(workspace, loaded, original)
    _check_metric(settings, workspace, sensitivity, evaluator)
    calibration = calibrate(loaded, train_data, evaluator)
    samples = calibration.inputs
    criterion = settings.criterion or DEFAULT_CRITERION
    allocation = settings.allocation or default_allocation(budget, sensitivity)
    keep = choose(
        host,
        loaded,
        budget,
        criterion=criterion,
        allocation=allocation,
        samples=samples,
        sensitivity=sensitivity,
        present=present,
    )
    changed = any(not np.array_equal(keep[n], present.get(n, np.ones_like(keep[n]))) for n in keep)
    remark = verdict(loaded, budget, keep, present)
    # the original while its weights are the only copy; the pruned one before anything is written
    before = None if evaluator is None else evaluator.baseline
    masked, smaller = carry_out(loaded, keep, present, samples, budget.seed)
    proof = prove_plan(loaded, keep, masked, smaller, samples)
    after = None if evaluator is None else evaluator.measure(smaller.model)
    directory = workspace.directory(round_name(loaded.format, budget))
    written = write_masked(host, loaded.source, masked, smaller, directory)
    notes = notes_of(settings, sensitivity, evaluator, changed, loaded.network, unmeasured)
    dead = _dead(loaded, original, present)
    more = (calibration.note, dead, remark, proof.limit)
    notes = (*notes, *(note for note in more if note is not None))
    measured = (before, after)
    report = report_of(
        loaded, original, masked, smaller, keep, evaluator, measured, written, budget, proof, notes
    )
    plan = plan_of(loaded, keep, budget, criterion, allocation)
    _remember(workspace, loaded, source, written, plan, changed)
    return Pruned(loaded, masked, smaller, keep, written, report, changed)


def round_name(descriptor: Format, budget: Budget) -> str:
    """Directory of a round: ``rate_0.5``, ``threshold_0.01``."""
    target = (
        f"rate_{budget.rate:g}" if budget.rate is not None else f"threshold_{budget.threshold:g}"
    )
    return descriptor.round_prefix + target


def _budget(settings: Settings) -> Budget:
    multiple = 2 if settings.multiple is None else settings.multiple
    seed = settings.seed or 0
    budget = Budget(settings.rate, settings.threshold, multiple, seed, settings.best_effort)
    check_budget(budget, settings.said)
    return budget


def _dead(loaded: Loaded, original: Network, present: Keep) -> str | None:
    """Channels masked before the first plan."""
    if original is not loaded.network or not present:
        return None
    channels = sum(int((~units).sum()) for units in present.values())
    groups = loaded.grouping.groups
    return (
        f"the network comes with {channels} of {sum(group.size for group in groups)} channels "
        f"dead, all weights zero: {loaded.rate(present):.4f} of its MACs, counted as removed"
    )


def _matching(workspace: Workspace, loaded: Loaded, original: Network) -> Sensitivity | None:
    """The stored analysis, if it is of this network or of the one it was pruned from."""
    stored = workspace.sensitivity()
    if stored is None:
        return None
    if stored.key["structure"] != structure_digest(loaded.network):
        raise StaleError(
            f"{workspace.sensitivity_file}: measured on another network; "
            "run 'prunus ana' again or remove it"
        )
    known = {weights_digest(loaded.network), weights_digest(original)}
    if stored.key["weights"] not in known and not masked_units(loaded.network, loaded.grouping):
        raise StaleError(
            f"{workspace.sensitivity_file}: measured on other weights; "
            "run 'prunus ana' again or remove it"
        )
    return stored


def _check_metric(
    settings: Settings,
    workspace: Workspace,
    sensitivity: Sensitivity | None,
    evaluator: Evaluator | None,
) -> None:
    """A threshold counts in the metric of the analysis, so that is the one to ask for."""
    if settings.threshold is None or settings.metric is None:
        return
    if sensitivity is not None and evaluator is not None:
        asked = evaluator.metric.name
        if asked != sensitivity.metric:
            raise StaleError(
                f"{workspace.sensitivity_file}: measured in {sensitivity.metric}, and the "
                f"threshold is asked in {asked}; run 'prunus ana' again with --metric "
                f"{settings.metric}"
            )


def _remember(
    workspace: Workspace,
    loaded: Loaded,
    original: Source,
    written: Written,
    plan: Plan,
    changed: bool,
) -> None:
    directory = workspace.directory(round_name(loaded.format, plan.budget))
    write_json(directory / PLAN, plan.to_json())
    # what was finetuned before belongs to an earlier plan, even where the directory is the same
    workspace.keep_options(loaded.source.options)
    workspace.update(finetuned=None)
    workspace.remember("original", original)
    workspace.remember("source", loaded.source)
    workspace.remember("pruned", written, directory=directory, changed=changed)
