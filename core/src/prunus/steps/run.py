"""``prunus run``: prune and finetune with a growing rate, then transform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.errors import PlanError
from prunus.evaluation.evaluator import Evaluator
from prunus.host import Host
from prunus.network import Network
from prunus.planning.budget import Budget, check_budget
from prunus.promise import Halves, Promise, check_bound
from prunus.settings import Settings
from prunus.steps.continued import newest
from prunus.steps.finetune import finetune
from prunus.steps.loaded import load
from prunus.steps.measuring import measured_if_possible
from prunus.steps.prune import halves_of, prune
from prunus.steps.report import Report, Stage
from prunus.steps.state import State
from prunus.steps.transform import transform
from prunus.steps.workspace import Workspace, workspace_of
from prunus.training import Progress
from prunus.training.tuning import Tuning

_PART = 0.3
"""Share of the MACs that are left, which a round removes at first."""

_SMALLEST = 0.04
"""Share below which a round is too small to be worth its training."""

_ROUNDS = 12
"""Most rounds."""


def run(
    host: Host,
    settings: Settings,
    rates: tuple[float, ...],
    tuning: Tuning,
    output: Path | None,
    report: Callable[[Progress], None] = lambda _: None,
    last: Mapping[str, Any] | None = None,
) -> Report:
    """Every rate is a round that starts from the last round's finetuned weights.

    A round that changes no structure skips its finetune.

    Args:
        host: Plugins.
        settings: What to prune.
        rates: Rates of the rounds, growing.
        tuning: How each round is finetuned.
        output: As for `transform`.
        report: Told how each finetune goes.
        last: Targets of one more round, by the name of the setting: ``{"bytes": "2MB"}``.

    Returns:
        One report with a stage for every state the network went through.
    """
    rounds: list[tuple[str, Mapping[str, Any]]] = [(f"{rate:g}", {"rate": rate}) for rate in rates]
    if last:
        rounds.append((", ".join(f"{name} {value}" for name, value in last.items()), last))
    course = _Course()
    current = settings
    for name, targets in rounds:
        pruned = prune(host, current.aiming(**targets))
        course.pruned(pruned.report, name)
        if not pruned.changed:
            continue
        tuned = finetune(host, current, tuning, report)
        course.finetuned(tuned.report, name)
        current = attrs.evolve(current, model=tuned.written.model, weights=tuned.written.weights)
    return course.ended(transform(host, newest(current), output).report)


@attrs.frozen(eq=False)
class _Course:
    """Stages and reports of the rounds so far."""

    stages: list[Stage] = attrs.field(factory=list)
    reports: list[Report] = attrs.field(factory=list)

    def pruned(self, report: Report, name: str) -> None:
        """A round's plan was carried out."""
        self.reports.append(report)
        if not self.stages:
            self.stages.append(report.stages[0])
        self.stages.append(attrs.evolve(report.stages[-1], name=f"pruned {name}"))

    def finetuned(self, report: Report, name: str) -> None:
        """A round was finetuned."""
        self.stages.append(attrs.evolve(report.stages[-1], name=f"finetuned {name}"))

    def ended(self, final: Report) -> Report:
        """The report of all rounds and of the transformed network."""
        reports = [*self.reports, final]
        return attrs.evolve(
            final,
            step="run",
            metric=self.reports[-1].metric,
            stages=(*self.stages, final.stages[-1]),
            notes=tuple(dict.fromkeys(note for one in reports for note in one.notes)),
            warnings=tuple(dict.fromkeys(text for one in reports for text in one.warnings)),
            unmeasured=self.reports[-1].unmeasured,
        )


def run_within(
    host: Host,
    settings: Settings,
    bound: float,
    tuning: Tuning,
    output: Path | None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Rounds of growing rates as long as the finetuned network loses no more than a bound.

    A round removes three tenths of the MACs that are left. One whose finetuned network loses too
    much is dropped, and a round half as large goes on from the last good network, until rounds are
    small. Half of the held-out samples tell what a round loses. The result is the smallest good
    network that keeps the bound on the other half too.

    Args:
        host: Plugins.
        settings: What to prune.
        bound: Metric that the network may lose.
        tuning: How each round is finetuned.
        output: As for `transform`.
        report: Told how each finetune goes.

    Raises:
        PlanError: no round keeps the bound.
    """
    check_budget(Budget(max_loss=bound), settings.said)
    workspace = workspace_of(settings)
    halves = _halves(host, settings, bound)
    course, good = _Course(), list[_Round]()
    current, left, part = settings, 1.0, _PART
    for _ in range(_ROUNDS):
        if part < _SMALLEST:
            break
        rate = round(1 - left * (1 - part), 4)
        try:
            pruned = prune(host, current.aiming(rate=rate))
        except PlanError:  # too small a step for whole channels, or too large a rate
            part /= 2
            continue
        course.pruned(pruned.report, f"{rate:g}")
        tuned = finetune(host, current, tuning, report)
        course.finetuned(tuned.report, f"{rate:g}")
        losses = [_loss(half, tuned.network) for half in (halves.choosing, halves.checking)]
        if losses[0] <= bound:
            left = 1 - pruned.report.facts["rate"]
            current = attrs.evolve(
                settings, model=tuned.written.model, weights=tuned.written.weights
            )
            good.append(_Round(current, workspace.state(), losses[1]))
        else:
            part /= 2
            if good:
                _return_to(workspace, good[-1].state)
    for looks, best in enumerate(reversed(good), 1):
        if best.checked <= bound:
            _return_to(workspace, best.state)
            final = course.ended(transform(host, newest(best.settings), output).report)
            counts = halves.checking.count, halves.choosing.count
            promise = Promise(bound, best.checked, *counts, looks)
            return attrs.evolve(final, facts={**final.facts, "promise": attrs.asdict(promise)})
    raise PlanError(
        f"max-loss {bound:g} is out of reach: no finetuned network is within it; allow more, or "
        "train longer"
    )


@attrs.frozen(eq=False)
class _Round:
    """A finetuned network that keeps the bound on the samples that choose.

    Attributes:
        settings: They name its files.
        state: What the workspace remembered then.
        checked: Its loss on the other samples.
    """

    settings: Settings
    state: State
    checked: float


def _halves(host: Host, settings: Settings, bound: float) -> Halves:
    loaded = load(host, settings)
    evaluator, unmeasured = measured_if_possible(loaded, settings, loaded.network)
    halves = halves_of(evaluator, unmeasured)
    check_bound(halves.choosing, bound, settings.said("max_loss"))
    return halves


def _loss(evaluator: Evaluator, network: Network) -> float:
    return evaluator.loss_of(evaluator.measure(network.model).value)


def _return_to(workspace: Workspace, state: State) -> None:
    """The workspace goes on from the network of an earlier round."""
    workspace.update(
        source=state.source, pruned=state.pruned, finetuned=state.finetuned, transformed=None
    )
