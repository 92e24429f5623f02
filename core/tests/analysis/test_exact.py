from __future__ import annotations

import json

import numpy as np
import pytest

from prunus.analysis import exact
from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal, plain, restored
from prunus.analysis.probe import Probe
from prunus.compaction import compact
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity, Top
from prunus.folding import fold
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.testing.nets import NETS, as_network
from prunus.testing.nets.builder import Builder

RATIOS = (0.25, 0.5, 0.75)


def analysis(network, draw, metric, journal=None, batch_size=16, report=lambda done, total: None):
    grouping = find_groups(network)
    samples = np.random.default_rng(1).standard_normal((48, 1, 12, 12)).astype(np.float32)
    labels = np.random.default_rng(2).integers(0, 4, 48)
    evaluator = Evaluator(network, ArrayDataset("data", samples, labels), metric, None, batch_size)
    scores = {group.name: np.random.default_rng(3).random(group.size) for group in grouping.groups}
    return Analysis(
        grouping, evaluator, scores, RATIOS, journal or Journal(None, {}), {"k": "1"}, report
    )


@pytest.mark.parametrize("metric", [Fidelity(), Top(1)])
@pytest.mark.parametrize("name", ["lenet", "tokens"])
def test_curves_equal_a_plain_sweep_over_rewritten_weights(request, draw, name, metric):
    """No layer here is padded, so folding into biases is exact and both must agree."""
    network = request.getfixturevalue(name)
    job = analysis(network, draw, metric)
    found = exact.analyze(network, job)
    samples = job.evaluator.calibration()
    for group in job.grouping.groups:
        for (_, keep), point in zip(job.trials(group), found.curve(group.name).points, strict=True):
            plan = {group.name: keep}
            swept = mask(fold(network, job.grouping, plan, samples), job.grouping, plan)
            assert point.value == pytest.approx(job.evaluator.measure(swept.model).value, abs=1e-6)


@pytest.mark.parametrize("name", ["vit", "bert"])
def test_what_products_lose_no_constant_makes_good(name):
    """Queries and keys are masked with zeros before the product; what is behind has no short cut."""
    network = as_network(NETS[name](0))
    samples = np.random.default_rng(1).standard_normal((16, 3, 16, 16)).astype(np.float32)
    evaluator = Evaluator(network, ArrayDataset("data", samples, None), Fidelity(), None, 16)
    grouping = find_groups(network)
    scores = {group.name: np.random.default_rng(3).random(group.size) for group in grouping.groups}
    job = Analysis(
        grouping, evaluator, scores, (0.5,), Journal(None, {}), {"k": "1"}, lambda done, total: None
    )
    found = exact.analyze(network, job)
    inputs = evaluator.calibration()
    for group in grouping.groups:
        ((_, keep),) = job.trials(group)
        plan = {group.name: keep}
        swept = mask(fold(network, grouping, plan, inputs), grouping, plan)
        (point,) = found.curve(group.name).points
        assert point.value == pytest.approx(evaluator.measure(swept.model).value, abs=1e-6)


def test_killed_and_resumed_equals_uninterrupted(lenet, draw, tmp_path):
    whole = exact.analyze(lenet, analysis(lenet, draw, Fidelity()))
    journal = Journal(tmp_path / "partial.jsonl", {"k": "1"})

    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        exact.analyze(lenet, analysis(lenet, draw, Fidelity(), journal, report=kill))
    with (tmp_path / "partial.jsonl").open("a") as file:
        file.write('{"piece": "2", "val')  # the line being written when the kill came
    assert sorted(journal.read()) == ["0", "1"]
    again = exact.analyze(lenet, analysis(lenet, draw, Fidelity(), journal))
    assert json.dumps(again.to_json()) == json.dumps(whole.to_json())


def test_journal_of_another_key_is_not_used(tmp_path):
    old = Journal(tmp_path / "j", {"weights": "a"})
    old.start()
    old.write("0", 1)
    assert Journal(tmp_path / "j", {"weights": "b"}).start() == {}


def test_observations_survive_json_exactly(draw):
    value = [draw.standard_normal((3, 2)), {"boxes": draw.integers(0, 9, 4), "n": 3}]
    again = restored(json.loads(json.dumps(plain(value))))
    assert np.array_equal(again[0], value[0])
    assert again[0].dtype == value[0].dtype
    assert np.array_equal(again[1]["boxes"], value[1]["boxes"])


def test_groups_behind_lrn_are_measured_with_their_channels_removed(behind_lrn):
    """Removal shifts the windows of cross-channel LRN, which no mask shows."""
    network, job, seen = behind_lrn.network, behind_lrn.job, behind_lrn.seen
    grouping, evaluator = job.grouping, job.evaluator
    found = exact.analyze(network, job)
    assert [curve.group for curve in found.curves] == [group.name for group in grouping.groups]
    inexact = [group for group in grouping.groups if not group.exact]
    assert 0 < len(inexact) < len(grouping.groups)
    for group in inexact:
        for (_, keep), point in zip(job.trials(group), found.curve(group.name).points, strict=True):
            plan = {group.name: keep}
            masked = mask(fold(network, grouping, plan, evaluator.calibration()), grouping, plan)
            removed = evaluator.measure(compact(masked, grouping, plan).model)
            assert point.value == pytest.approx(removed.value, abs=1e-6)
            assert abs(evaluator.measure(masked.model).value - removed.value) > 1e-4
    assert seen[-1][0] == seen[-1][1] == 2 + sum(len(job.trials(group)) for group in inexact)


def scales(width):
    """Features of two scales and the same width, as lists of pixels."""
    b = Builder(0)
    x = b.act(b.conv(b.input(1, 8), 8, pad=0))
    y = b.act(b.conv(x, 6, pad=0))
    heads = [
        b.reshape(b.transpose(b.act(b.conv(value, width, 1), "Sigmoid"), 0, 2, 3, 1), size, width)
        for value, size in ((x, 36), (y, 16))
    ]
    return b, b.node("Concat", "list", heads, (52, width), {"axis": 1})


def equals_a_sweep(network, draw):
    grouping = find_groups(network)
    samples = draw.standard_normal((12, 1, 8, 8)).astype(np.float32)
    evaluator = Evaluator(network, ArrayDataset("data", samples), Fidelity(), None, 8)
    scores = {group.name: draw.random(group.size) for group in grouping.groups}
    job = Analysis(grouping, evaluator, scores, (0.5,), Journal(None, {}), {}, lambda *_: None)
    found = exact.analyze(network, job)
    for group in grouping.groups:
        ((_, keep),) = job.trials(group)
        plan = {group.name: keep}
        swept = mask(fold(network, grouping, plan, evaluator.calibration()), grouping, plan)
        assert found.curve(group.name).points[0].value == pytest.approx(
            evaluator.measure(swept.model).value, abs=1e-6
        )
    return [group.name for group in grouping.groups]


def test_values_beside_a_group_may_mix_channels_and_places(draw):
    """Two detection heads of two scales, their boxes in one list."""
    b, boxes = scales(4)
    assert equals_a_sweep(as_network(b.model(boxes)), draw) == ["conv1", "conv2"]


def test_one_classifier_for_the_features_of_all_scales(draw):
    """What it reads has labels along two axes; those of one channel go together."""
    b, features = scales(4)
    product = b.node("MatMul", "fc", [features, b.weight("fc/weight", b.he((4, 3)))], (52, 3))
    shift = b.weight("out/shift", b.normal((3,), 0.1))
    network = as_network(b.model(b.node("Add", "out", [product, shift], (52, 3))))
    assert equals_a_sweep(network, draw) == ["conv1", "conv2", "conv3+conv4"]


def test_probes_without_room_are_loaded_again_for_every_chunk(lenet, draw, monkeypatch):
    kept = exact.analyze(lenet, analysis(lenet, draw, Fidelity()))
    loads = []
    load = Probe.load
    monkeypatch.setattr(Probe, "load", lambda p, means: loads.append(p.group.name) or load(p, means))  # fmt: skip
    monkeypatch.setattr(exact, "_ROOM", 0)
    again = exact.analyze(lenet, analysis(lenet, draw, Fidelity()))
    assert loads == ["conv1", "conv2", "ip1"] * 3
    assert again.curves == kept.curves
