"""Curves after compensation, from few measured points."""

from __future__ import annotations

import json

import attrs
import numpy as np
import pytest

from prunus.analysis import fast
from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal, restored
from prunus.analysis.racing import divided
from prunus.errors import DataError
from prunus.evaluation.agreement import agreement_of
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity, Top
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.recovery.held_out import distance
from prunus.recovery.one_pass import OnePass
from prunus.sensitivity import merged

RATIOS = (0.2, 0.4, 0.6, 0.8)


def analysis(network, metric, journal=None, count=96, report=lambda done, total: None, seed=0):
    grouping = find_groups(network)
    draw = np.random.default_rng(1)
    samples = draw.standard_normal((count, 1, 12, 12)).astype(np.float32)
    labels = np.random.default_rng(2).integers(0, 4, count)
    evaluator = Evaluator(network, ArrayDataset("data", samples, labels), metric, None, 16)
    scores = {group.name: np.random.default_rng(3).random(group.size) for group in grouping.groups}
    return Analysis(
        grouping, evaluator, scores, RATIOS, journal or Journal(None, {}), {"k": "1"}, report, seed
    )


def test_the_compensated_network_is_measured_on_samples_it_is_not_fitted_to(lenet, tmp_path):
    journal = Journal(tmp_path / "partial.jsonl", {"k": "1"})
    job = analysis(lenet, Fidelity(), journal)
    fast.analyze(lenet, job)
    samples, read = divided(job.evaluator.positions, 0), job.evaluator.data.read
    fits = OnePass(lenet, job.grouping, read(samples.fitted, None).inputs, 0)
    done = journal.read()
    for group in job.grouping.groups:
        ratio, keep = job.trials(group)[2]  # the middle comes first
        masked = fits.masked({group.name: keep})
        for number, positions in enumerate(samples.pieces[:4]):
            batch = read(positions, None)
            outputs, reference = (Session(net.model).run(batch.inputs) for net in (masked, lenet))
            (observation,), (count,), (far,) = restored(done[f"{group.name}|{ratio}|{number}"])
            wanted = Fidelity().observe(outputs, reference, None)
            assert observation == pytest.approx(wanted, abs=1e-5)
            assert count == len(batch)
            assert far == pytest.approx(distance(lenet, [outputs], [reference]), rel=1e-3)


@pytest.mark.parametrize("metric", [Fidelity(), Top(1), "agreement"])
def test_killed_and_resumed_equals_uninterrupted(lenet, tmp_path, metric):
    metric = agreement_of(lenet) if metric == "agreement" else metric
    whole = fast.analyze(lenet, analysis(lenet, metric))
    journal = Journal(tmp_path / "partial.jsonl", {"k": "1"})

    class KilledError(Exception):
        pass

    def kill(done, total):
        if 2 * done > total:
            raise KilledError

    with pytest.raises(KilledError):
        fast.analyze(lenet, analysis(lenet, metric, journal, report=kill))
    assert journal.read()
    again = fast.analyze(lenet, analysis(lenet, metric, journal))
    assert json.dumps(again.to_json()) == json.dumps(whole.to_json())


def test_samples_are_added_while_the_metric_has_no_value_for_so_few(lenet, tmp_path):
    class Sparse(Fidelity):
        def result(self, observations):
            if len(observations) < 5:
                raise DataError("nothing is detected")
            return super().result(observations)

    journal = Journal(tmp_path / "partial.jsonl", {"k": "1"})
    job = analysis(lenet, Sparse(), journal)
    fast.analyze(lenet, job)
    first = {f"{g.name}|{job.trials(g)[2][0]}" for g in job.grouping.groups}
    assert {f"{name}|{number}" for name in first for number in range(8)} <= journal.read().keys()


def test_all_that_is_in_the_journal_is_not_measured_again(lenet, tmp_path, monkeypatch):
    journal = Journal(tmp_path / "partial.jsonl", {"k": "1"})
    whole = fast.analyze(lenet, analysis(lenet, Fidelity(), journal))
    monkeypatch.setattr(fast, "OnePass", None)
    monkeypatch.setattr(fast.Behind, "load", None)
    again = fast.analyze(lenet, analysis(lenet, Fidelity(), journal))
    assert again.to_json() == whole.to_json()


def test_a_line_that_the_journal_lost_is_measured_again(lenet, tmp_path):
    """The original network's, where those of pruned ones are left."""
    path = tmp_path / "partial.jsonl"
    journal = Journal(path, {"k": "1"})
    whole = fast.analyze(lenet, analysis(lenet, Fidelity(), journal))
    lines = path.read_text().splitlines(keepends=True)
    left = [line for line in lines if '"|0"' not in line and '"|1"' not in line]
    assert len(left) == len(lines) - 2
    path.write_text("".join(left))
    again = fast.analyze(lenet, analysis(lenet, Fidelity(), journal))
    assert again.to_json() == whole.to_json()


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_give_the_curves_of_the_whole(lenet, parts):
    job = analysis(lenet, agreement_of(lenet))
    whole = fast.analyze(lenet, job)
    found = []
    for number in range(parts):
        share = attrs.evolve(job.grouping, groups=job.grouping.groups[number::parts])
        found.append(fast.analyze(lenet, attrs.evolve(job, grouping=share)))
    names = [group.name for group in job.grouping.groups]
    assert merged(found, names).to_json() == whole.to_json()


def test_the_seed_decides(lenet):
    first, again, other = (
        fast.analyze(lenet, analysis(lenet, Fidelity(), seed=seed)).to_json() for seed in (0, 0, 1)
    )
    assert first == again
    assert first["curves"] != other["curves"]


def test_fidelity_falls_as_channels_go(lenet):
    for curve in fast.analyze(lenet, analysis(lenet, Fidelity())).curves:
        values = [1.0, *(point.value for point in curve.points)]
        assert values == sorted(values, reverse=True)
        assert all(0 <= point.error < 1 for point in curve.points)


def test_channels_that_follow_from_others_cost_nothing(lenet):
    """Half of conv1's channels are twice the others, and go first: what reads them is fitted."""
    weights = lenet.weights()
    doubled = {name: weights[name].copy() for name in ("conv1/weight", "conv1/bias")}
    for array in doubled.values():
        array[4:] = 2 * array[:4]
    network = lenet.with_weights(doubled)
    scores = {"conv1": np.array([5.0, 6, 7, 8, 1, 2, 3, 4])}
    job = analysis(network, Fidelity())
    job = attrs.evolve(job, scores={**job.scores, **scores}, ratios=(0.25, 0.5, 0.75))
    points = fast.analyze(network, job).curve("conv1").points
    lost = [1 - point.value for point in points]
    assert 0 <= lost[0] <= lost[1] < 0.02
    assert lost[2] > 2 * lost[1]


def test_groups_behind_lrn_are_measured_at_every_ratio(behind_lrn):
    network, job, seen = behind_lrn.network, behind_lrn.job, behind_lrn.seen
    grouping = job.grouping
    found = fast.analyze(network, job)
    assert [curve.group for curve in found.curves] == [group.name for group in grouping.groups]
    assert all(len(c.points) == len(job.trials(grouping.group(c.group))) for c in found.curves)
    inexact = [group for group in grouping.groups if not group.exact]
    assert 0 < len(inexact) < len(grouping.groups)
    exact = len(grouping.groups) - len(inexact)
    assert seen[-1][0] == seen[-1][1] == 2 * exact + sum(len(job.trials(g)) for g in inexact)
