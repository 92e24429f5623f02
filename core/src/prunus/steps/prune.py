"""``prunus prune``: choose channels or weights for a rate or a threshold, mask them, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.costs.choice import priced
from prunus.costs.clock import Clock
from prunus.descriptors import Format
from prunus.engines.hold import Runnable
from prunus.engines.known import DEFAULT
from prunus.errors import NoSamplesError, StaleError
from prunus.evaluation.evaluator import Evaluator
from prunus.granularity import CHANNEL, CHANNELS, WEIGHT, Granularity, granularity_of
from prunus.graph.digest import structure_digest, weights_digest
from prunus.host import Host
from prunus.masking import masked_units
from prunus.network import Compact, Network, Source, Written
from prunus.planning.budget import COSTS, Budget, aimed, check_budget, check_loss
from prunus.planning.choose import Chooser, Keep, chooser_of, default_allocation
from prunus.planning.limits import Limit, limits_of
from prunus.planning.multiple import number_of, preferred
from prunus.planning.scores import default_criterion
from prunus.planning.sizes import bytes_of
from prunus.planning.verdict import verdict
from prunus.plans import Plan, plan_of
from prunus.promise import Carried, Halves, Promise, check_bound, halved, promised
from prunus.proof.plan import prove_plan
from prunus.pruning import carry_out
from prunus.sensitivity import Sensitivity
from prunus.settings import DEFAULT_TRAINER, Settings
from prunus.steps.calibrate import calibrate
from prunus.steps.continued import further
from prunus.steps.history import record
from prunus.steps.known_mask import PLAN, mask_of
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.measuring import measured_if_possible, why_unmeasured
from prunus.steps.original import starting_point
from prunus.steps.pruning_report import Outcome, next_command, notes_of, report_of
from prunus.steps.report import Report, latency
from prunus.steps.training_samples import lacking
from prunus.steps.workspace import TIMES, Workspace, workspace_of
from prunus.storage.files import write_json
from prunus.storage.native import write_masked
from prunus.training.tuning import brief, own_recipe, work

Inputs = Mapping[str, NDArray[np.float32]] | None
"""Graph input name -> ``(N, ...)``."""

_AN_HOUR = 1e13
"""Multiply-accumulates below which no processor trains for an hour."""


@attrs.frozen(eq=False)
class Pruned:
    """A plan carried out.

    Attributes:
        loaded: The network as it was read.
        masked: The network with its weights masked and compensated.
        compact: The same without the removed units.
        keep: Group name -> ``(C,)`` bool, True for kept.
        written: The files of the masked network.
        report: Its table, for `show`.
        changed: Whether this round removed more than the earlier ones.
    """

    loaded: Loaded
    masked: Network
    compact: Compact
    keep: Keep
    written: Written
    report: Report
    changed: bool


@alone
def prune(host: Host, settings: Settings) -> Pruned:
    """Choose, mask, compensate kept weights, prove, measure and write.

    Args:
        host: Plugins.
        settings: What to prune, and how far.

    Raises:
        PlanError: the target is out of reach, missed by a tenth of it, or the plan is empty.
        StaleError: the stored analysis is of another network.
        ProofError: the masked and the compact network do not give the same finite numbers.
        ModelError: the format cannot express the compact network.
    """
    units = granularity_of(settings.granularity or CHANNEL)
    asked = _budget(settings, units)
    if units.pattern is None:
        check_budget(asked, settings.said, units.counted)
    workspace = workspace_of(settings)
    settings = further(settings)
    loaded = load(host, settings)
    budget = aimed(asked, loaded.grouping.groups, units)
    check_budget(budget, settings.said, units.counted)
    present = mask_of(workspace, loaded)
    start = starting_point(host, settings, workspace, loaded, masked=bool(present))
    original, source = start.network, start.source
    evaluator, unmeasured = measured_if_possible(loaded, settings, original)
    halves = None if budget.max_loss is None else halves_of(evaluator, unmeasured)
    if evaluator is not None:
        check_bound(evaluator, budget.max_loss, settings.said("max_loss"))
    sensitivity = _matching(workspace, loaded, original)
    _check_threshold(settings, sensitivity)
    _check_metric(settings, workspace, sensitivity, evaluator)
    # what checks a promise is not fitted to either
    calibration = calibrate(loaded, settings, evaluator if halves is None else halves.choosing)
    samples = calibration.inputs
    criterion = settings.criterion or default_criterion(units, sampled=samples is not None)
    allocation = settings.allocation or default_allocation(budget, sensitivity, units, samples)
    chooser = chooser_of(
        host,
        loaded,
        budget,
        criterion=criterion,
        allocation=allocation,
        samples=samples,
        sensitivity=sensitivity,
        present=present,
        multiples=preferred(units, settings.multiple, loaded.grouping.groups),
    )
    clock = Clock(host, settings.engine or DEFAULT)
    chooser, costs = priced(
        chooser, clock, original=loaded.source.model.name, times=workspace.path / TIMES
    )
    limits = limits_of(budget, costs)
    found, remark, promise = _carried(chooser, limits, halves, evaluator, samples)
    keep = found.keep
    before = None if evaluator is None else evaluator.baseline
    changed = any(not np.array_equal(keep[n], present.get(n, np.ones_like(keep[n]))) for n in keep)
    masked, smaller = found.masked, found.smaller
    proof = prove_plan(loaded, keep, masked, smaller, samples)
    after = None if evaluator is None else evaluator.look(smaller.model)
    directory = workspace.directory(round_name(loaded.format, budget, units))
    written = write_masked(host, loaded.source, masked, smaller, directory)
    notes = notes_of(settings, sensitivity, changed, loaded.network, units, allocation)
    dead = _dead(loaded, original, present)
    further_notes = (calibration.note, dead, remark, proof.limit)
    notes = (*notes, *(note for note in further_notes if note is not None))
    outcome = Outcome(loaded, budget, keep, smaller, proof, written, limits, promise)
    more = lacking(loaded, settings) + _brief(loaded.network, smaller, loaded.macs(keep))
    step = next_command(host, settings.trainer or DEFAULT_TRAINER, loaded.format.name, more)
    report = report_of(outcome, original, evaluator, (before, after), following=step)
    unmeasured = unmeasured or why_unmeasured(settings, evaluator)
    facts = {**report.facts, "criterion": criterion, "allocation": allocation}
    if budget.latency is not None:
        facts |= _measured_time(clock, original, Runnable(masked, smaller))
    report = attrs.evolve(report, notes=notes, unmeasured=unmeasured, facts=facts)
    plan = plan_of(loaded, keep, budget, criterion, allocation)
    _remember(workspace, settings, loaded, source, written, plan, changed)
    record(host, settings, loaded, report, directory)
    return Pruned(loaded, masked, smaller, keep, written, report, changed)


def _measured_time(clock: Clock, original: Network, pruned: Runnable) -> dict[str, Any]:
    """What came of a budget of time, in the engine that it counts in."""
    before, after = clock.timings([Runnable.whole(original), pruned])
    milliseconds = [before.milliseconds, before.milliseconds * after.share]
    return {"milliseconds": milliseconds, "engine": clock.identity}


def _carried(
    chooser: Chooser,
    limits: Sequence[Limit],
    halves: Halves | None,
    evaluator: Evaluator | None,
    samples: Inputs,
) -> tuple[Carried, str | None, Promise | None]:
    """The plan carried out, a remark where it misses its target, and what is promised of it."""
    loaded, budget, present = chooser.subject, chooser.budget, chooser.present

    def carry(keep: Keep) -> Carried:
        return Carried(keep, *carry_out(loaded, keep, present, samples, budget.seed))

    def judge(keep: Keep) -> str | None:
        return verdict(loaded, budget, keep, present, limits, owner=chooser.owner)

    if halves is None:
        keep = chooser.plan(limits)
        remark = judge(keep)
        if evaluator is not None:
            _ = evaluator.baseline  # of a plan that is not refused, while weights have no copy yet
        return carry(keep), remark, None
    found, promise = promised(chooser, limits, halves, carry)
    return found, judge(found.keep), promise


def halves_of(evaluator: Evaluator | None, unmeasured: str | None = None) -> Halves:
    """Held-out samples in two parts, one to choose by and one to check.

    Raises:
        NoSamplesError: there are none.
        DataError: there are too few.
    """
    if evaluator is None:
        raise NoSamplesError(
            unmeasured or "a bound of the loss needs held-out samples; give --data"
        )
    return halved(evaluator)


def round_name(descriptor: Format, budget: Budget, granularity: Granularity = CHANNELS) -> str:
    """Directory of a round: ``rate_0.5``, ``threshold_0.01``, ``weight_rate_0.9``.

    Several limits are all named: ``rate_0.5_bytes_2000000``.
    """
    shown = [(name, getattr(budget, name)) for name in (*COSTS, "max_loss", "threshold")]
    target = "_".join(f"{name}_{_number(value)}" for name, value in shown if value is not None)
    target = target or "density"
    prefix = descriptor.round_prefix if granularity == CHANNELS else granularity.prefix
    return prefix + target


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _budget(settings: Settings, granularity: Granularity) -> Budget:
    return Budget(
        settings.rate,
        settings.threshold,
        number_of(granularity, settings.multiple),
        settings.seed or 0,
        settings.best_effort,
        density=settings.density,
        params=settings.params,
        bytes=bytes_of(settings.bytes, settings.said("bytes")),
        latency=settings.latency,
        max_loss=settings.max_loss,
    )


def _dead(loaded: Loaded, original: Network, present: Keep) -> str | None:
    """Channels masked before the first plan."""
    if original is not loaded.network or not present:
        return None
    gone = sum(int((~units).sum()) for units in present.values())
    whole, granularity = sum(group.size for group in loaded.grouping.groups), loaded.granularity
    zero = "zero" if granularity.unit == WEIGHT else "dead, all weights zero"
    return (
        f"the network comes with {gone} of {whole} {granularity.units} {zero}: "
        f"{loaded.rate(present):.4f} of its {granularity.counted}, counted as removed"
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


def _brief(network: Network, smaller: Compact, macs: int) -> str:
    """Fewer updates, as options of finetune, where the network's recipe takes more than an hour."""
    recipe = own_recipe(network)
    if work(recipe, macs) < _AN_HOUR:
        return ""  # not timed, as no machine takes so long
    count = brief(recipe, latency(smaller.model))
    return "" if count is None else f" --iterations {count}"


def _check_threshold(settings: Settings, found: Sensitivity | None) -> None:
    if found is not None:
        value, rises = found.baseline.value, found.higher_is_better
        said = settings.said("threshold")
        check_loss(settings.threshold, found.metric, value, rises=rises, said=said)


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
    settings: Settings,
    loaded: Loaded,
    original: Source,
    written: Written,
    plan: Plan,
    changed: bool,
) -> None:
    round_ = round_name(loaded.format, plan.budget, loaded.granularity)
    directory = workspace.directory(round_)
    write_json(directory / PLAN, plan.to_json())
    # what was finetuned before belongs to an earlier plan, even where the directory is the same
    workspace.keep_options(settings)
    workspace.update(finetuned=None, granularity=plan.granularity)
    workspace.remember("original", original)
    workspace.remember("source", loaded.source)
    workspace.remember("pruned", written, directory=directory, changed=changed)
