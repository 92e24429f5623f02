"""Conformance of analyses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path

import attrs
import numpy as np

from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.descriptors import Policy
from prunus.errors import PrunusError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.evaluation.random_inputs import random_inputs
from prunus.graph.digest import structure_digest, weights_digest
from prunus.host import Host, start
from prunus.prunable import Prunable, prunable
from prunus.sensitivity import Curve, Sensitivity
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import plugin_checks
from prunus.testing.nets import NETS, as_network

FORMS = ("lenet", "resnet_padded")
"""Networks that are analysed, one of them with joined channels."""

RATIOS = (0.25, 0.5, 0.75)

Report = Callable[[int, int], None]


class _KilledError(PrunusError):
    """The end of a run after some of its work; no defect of the analysis."""


@attrs.frozen(eq=False, slots=False)
class _Subject:
    """The analysis under test."""

    name: str
    host: Host | None

    @cached_property
    def answers(self) -> dict[str, tuple[Sensitivity, Analysis]]:
        """What it says about every form."""
        return {form: self.measure(form) for form in FORMS}

    def measure(
        self, form: str, path: Path | None = None, report: Report = lambda done, total: None
    ) -> tuple[Sensitivity, Analysis]:
        """The curves of a network, and what was asked."""
        network = _form(form)
        analysis = _question(network, path, report)
        found = (self.host or start()).call(
            Policy, self.name, "prunus_analyze", network=network.network, analysis=analysis
        )
        assert isinstance(found, Sensitivity), f"{self.name} gave a {type(found).__name__}"
        return found, analysis


def analysis_checks(
    name: str, host: Host | None = None, expected_failures: ExpectedFailures | None = None
) -> list[Check]:
    """Everything an analysis promises (`prunus_analyze`).

    Args:
        name: As given to ``--analysis``.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
    """
    subject = _Subject(name, host)
    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(Policy, name, ("prunus_analyze",), host),
        ("answers-what-was-asked", lambda: check_answer(subject)),
        ("gives-a-curve-per-group", lambda: check_curves(subject)),
        ("gives-finite-points", lambda: check_points(subject)),
        ("reports-its-progress", lambda: check_progress(subject)),
        ("goes-on-after-a-kill", lambda: check_resumes(subject)),
        ("repeats-itself", lambda: check_repeats(subject)),
        ("leaves-its-input-alone", lambda: check_pure(subject)),
    ]
    return named_checks(name, bodies, expected_failures)


def check_answer(subject: _Subject) -> None:
    """Metric, direction, baseline and key are those of the question."""
    for form in FORMS:
        found, analysis = subject.answers[form]
        metric = analysis.evaluator.metric
        for part, wanted in (
            ("metric", metric.name),
            ("higher_is_better", metric.higher_is_better),
            ("baseline", analysis.evaluator.baseline),
            ("key", analysis.key),
        ):
            given = getattr(found, part)
            assert given == wanted, f"{subject.name}: {part} is {given!r}, asked was {wanted!r}"


def check_curves(subject: _Subject) -> None:
    """One curve of every group, in order, with the group's size."""
    for form in FORMS:
        found, analysis = subject.answers[form]
        wanted = [(group.name, group.size) for group in analysis.grouping.groups]
        given = [(curve.group, curve.size) for curve in found.curves]
        assert given == wanted, f"{subject.name}, {form}: curves of {given}, groups are {wanted}"


def check_points(subject: _Subject) -> None:
    """Ratios ascend, fewer and fewer units are kept, values and errors are finite."""
    for form in FORMS:
        for curve in subject.answers[form][0].curves:
            _check_curve(f"{subject.name}, {form}, group '{curve.group}'", curve)


def _check_curve(said: str, curve: Curve) -> None:
    assert curve.points, f"{said}: the curve has no points"
    ratios = [point.ratio for point in curve.points]
    kept = [point.kept for point in curve.points]
    assert ratios == sorted(set(ratios)), f"{said}: the ratios {ratios} do not ascend"
    assert 0 <= ratios[0] <= ratios[-1] < 1, f"{said}: the ratios {ratios} are not in [0, 1)"
    fewer = kept == sorted(set(kept), reverse=True) and 0 < kept[-1] <= kept[0] <= curve.size
    assert fewer, f"{said}: the numbers of kept units {kept} do not fall from {curve.size}"
    for point in curve.points:
        finite = np.isfinite(point.value) and np.isfinite(point.error) and point.error >= 0
        assert finite, f"{said}: {point}"


def check_progress(subject: _Subject) -> None:
    """``report`` is called with a rising number of finished pieces, up to the total."""
    seen: list[tuple[int, int]] = []
    subject.measure("lenet", report=lambda done, total: seen.append((done, total)))
    assert seen, f"{subject.name} reports no progress"
    done = [one for one, _ in seen]
    assert done == sorted(done), f"{subject.name}: the progress goes back: {done}"
    assert seen[-1][0] == seen[-1][1], f"{subject.name}: the last report is {seen[-1]}"


def check_resumes(subject: _Subject) -> None:
    """A killed run goes on from its journal, and comes to the same curves."""
    whole, _ = subject.answers["lenet"]

    def stop(done: int, total: int) -> None:
        if 2 * done >= total:
            raise _KilledError

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal"
        with suppress(_KilledError):
            subject.measure("lenet", path, stop)
        resumed, analysis = subject.measure("lenet", path)
        assert resumed.to_json() == whole.to_json(), f"{subject.name}: other curves after a kill"
        assert analysis.journal.read(), f"{subject.name} keeps nothing in its journal"


def check_repeats(subject: _Subject) -> None:
    """The same question has the same answer."""
    first, second = (
        found.to_json() for found, _ in (subject.answers["lenet"], subject.measure("lenet"))
    )
    assert first == second, f"{subject.name}: {first}, and {second} the second time"


def check_pure(subject: _Subject) -> None:
    """The network is the same afterwards."""
    for form in FORMS:
        assert subject.answers[form]
        fresh, used = (
            (structure_digest(network), weights_digest(network))
            for network in (as_network(NETS[form](0)), _form(form).network)
        )
        assert used == fresh, f"{subject.name} modified '{form}'"


def _question(network: Prunable, path: Path | None, report: Report) -> Analysis:
    ((name, inputs),) = random_inputs(network.network.model, 6, 0).items()
    evaluator = Evaluator(network.network, ArrayDataset(name, inputs), Fidelity())
    draw = np.random.default_rng(0)
    scores = {group.name: draw.random(group.size) for group in network.grouping.groups}
    key = {"structure": structure_digest(network.network), "settings": "conformance"}
    journal = Journal(path, key)
    return Analysis(network.grouping, evaluator, scores, RATIOS, journal, key, report)


@cache
def _form(form: str) -> Prunable:
    return prunable(as_network(NETS[form](0)))
