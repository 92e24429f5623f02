from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.compaction import compact
from prunus.descriptors import Criterion, Policy
from prunus.errors import (
    ModelError,
    PlanError,
    PluginError,
    ProofError,
    StaleError,
)
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.network import Written
from prunus.planning.budget import Budget
from prunus.plans import Plan
from prunus.steps.analyze import analyze
from prunus.steps.finetune import finetune
from prunus.steps.inspect import evaluate
from prunus.steps.prune import prune
from prunus.steps.workspace import Workspace
from prunus.training.tuning import Tuning


def at(settings, rate=0.4, **changes):
    return attrs.evolve(settings, rate=rate, **changes)


def value(stage):
    return stage.metric.value


def test_the_plan_is_what_was_masked(host, settings):
    found = prune(host, at(settings, 0.5))
    plan = Plan.from_json(json.loads(Path("ws/rate_0.5/plan.json").read_text()))
    assert plan.allocation == "search"
    assert plan.budget == Budget(rate=0.5, multiple=2, seed=0)
    kept = {n: tuple(np.flatnonzero(k)) for n, k in found.keep.items() if not k.all()}
    assert {name: group.kept for name, group in plan.groups.items()} == kept
    for name, group in plan.groups.items():
        filters = found.masked.weights()[f"{name}/weight"]
        used = np.flatnonzero(filters.any(tuple(range(1, filters.ndim))))
        assert tuple(used) == group.kept


def test_rows_of_the_report_add_up(host, settings):
    report = prune(host, at(settings, 0.5)).report
    # the classifier ip2 (20 x 4) belongs to no group, but reads what ip1 keeps
    before = sum(row.macs for row in report.groups)
    after = sum(row.kept_macs for row in report.groups)
    kept = next(row.kept for row in report.groups if row.group == "ip1")
    assert before + 20 * 4 == report.stages[0].macs
    assert after + kept * 4 == report.stages[1].macs
    assert report.facts["rate"] == pytest.approx(1 - report.stages[1].macs / report.stages[0].macs)


def test_a_network_without_a_mask_is_the_original(host, settings, other):
    """A workspace used for another network before does not lend it its accuracy."""
    prune(host, at(settings))
    report = prune(host, at(other)).report
    own = evaluate(host, other).stages[0]
    assert value(own) != value(evaluate(host, settings).stages[0])
    assert value(report.stages[0]) == value(own)
    assert Workspace(Path("ws")).recall("original").model == Path("other.onnx").absolute()


def test_a_later_round_is_compared_with_the_original(host, settings):
    first = prune(host, at(settings, 0.3))
    second = prune(host, at(settings, 0.6, model=first.written.model))
    assert value(second.report.stages[0]) == value(first.report.stages[0])
    assert second.report.facts["rate"] == pytest.approx(0.6, rel=0.01)
    assert all((second.keep[name] <= kept).all() for name, kept in first.keep.items())
    assert Workspace(Path("ws")).recall("original").model == Path("net.onnx").absolute()


def test_an_analysis_of_the_pruned_network_does_not_make_it_the_original(host, settings):
    first = prune(host, at(settings, 0.3))
    analyze(host, attrs.evolve(settings, model=first.written.model), (0.5,))
    assert Workspace(Path("ws")).recall("original").model == Path("net.onnx").absolute()


def test_a_new_plan_forgets_what_was_finetuned_for_the_old_one(host, settings):
    prune(host, at(settings))
    finetune(host, attrs.evolve(settings, train_data="test.npz"), Tuning(iterations=1))
    assert Workspace(Path("ws")).recall("finetuned") is not None
    prune(host, at(settings, criterion="fpgm"))
    assert Workspace(Path("ws")).recall("finetuned") is None


def test_an_analysis_of_other_weights_is_refused(host, settings, other):
    analyze(host, settings, (0.5,))
    with pytest.raises(StaleError) as caught:
        prune(host, at(other))
    assert str(caught.value) == (
        "ws/ana.json: measured on other weights; run 'prunus ana' again or remove it"
    )


def test_a_threshold_in_another_metric_than_the_analysis(host, settings):
    analyze(host, attrs.evolve(settings, metric="loss"), (0.5,))
    with pytest.raises(StaleError) as caught:
        prune(host, attrs.evolve(settings, metric="top-1", threshold=0.05))
    assert str(caught.value) == (
        "ws/ana.json: measured in loss, and the threshold is asked in top-1; run 'prunus ana' "
        "again with --metric top-1"
    )
    assert prune(host, attrs.evolve(settings, metric="top-1", rate=0.3))


def test_a_threshold_nothing_stays_within(host, settings):
    analyze(host, attrs.evolve(settings, metric="fidelity"), (0.5, 0.9))
    with pytest.raises(PlanError) as caught:
        prune(host, attrs.evolve(settings, metric="fidelity", threshold=0.0))
    assert str(caught.value) == (
        "the plan removes nothing: every group loses more than 0 by its smallest step; raise "
        "--threshold; --best-effort takes the nearest plan"
    )
    least = attrs.evolve(settings, metric="fidelity", threshold=0.0, best_effort=True)
    assert not prune(host, least).changed


def test_excluded_layers_keep_everything(host, settings):
    found = prune(host, at(settings, 0.3, exclude=("conv2",)))
    assert [row.group for row in found.report.groups] == ["conv1", "ip1"]
    assert found.masked.weights()["conv2/weight"].any((1, 2, 3)).all()


def test_the_rate_nothing_is_asked_for(host, settings):
    found = prune(host, at(settings, 0.0))
    assert not found.changed
    assert found.keep == {}
    assert (
        "this round changes no structure: finetuning again would bring nothing new"
        in found.report.notes
    )


def test_a_coarse_multiple_says_how_near_it_came(host, settings):
    with pytest.raises(PlanError) as caught:
        prune(host, at(settings, 0.1, multiple=8))
    said, _, mend = str(caught.value).rpartition("; ")
    assert mend == "--best-effort takes the nearest plan"
    assert not Path("ws/rate_0.1").exists()
    found = prune(host, at(settings, 0.1, multiple=8, best_effort=True))
    assert all(kept.sum() % 8 == 0 for kept in found.keep.values())
    assert said in found.report.notes
    finer = prune(host, at(settings, 0.1, multiple=1)).report.facts["rate"]
    assert finer == pytest.approx(0.1, rel=0.01)
    assert said.startswith(
        f"rate 0.1 was asked, {found.report.facts['rate']:.4f} is the nearest found with whole "
        "channels in multiples of 8; --multiple 1 may come to 0."
    )


def test_dead_channels_of_a_published_network_are_told(host, settings):
    first = prune(host, at(settings, 0.5))
    pruned = attrs.evolve(settings, model=first.written.model, workspace=Path("other"))
    gone = first.report.facts["rate"]
    dead = sum(int((~units).sum()) for units in first.keep.values())
    note = (
        f"the network comes with {dead} of 40 channels dead, all weights zero: {gone:.4f} of its "
        "MACs, counted as removed"
    )
    assert note in prune(host, attrs.evolve(pruned, rate=0.7)).report.notes
    Path("third").mkdir()
    with pytest.raises(PlanError) as caught:
        prune(host, attrs.evolve(pruned, rate=0.3, workspace=Path("third")))
    assert str(caught.value) == (
        f"rate 0.3 was asked, but channels that are gone already save {gone:.4f} of the MACs; ask "
        "for more, or remove them with 'prunus transform'; --best-effort takes the nearest plan"
    )


def test_written_files_hold_the_masked_weights(host, settings):
    found = prune(host, at(settings))
    assert found.written == Written(Path("ws/rate_0.4/net.onnx"), None)
    assert found.report.stages[1].bytes == Path("ws/rate_0.4/net.onnx").stat().st_size
    again = prune(host, at(settings, 0.4, model=found.written.model))
    assert not again.changed
    for name, kept in found.keep.items():
        assert np.array_equal(again.keep[name], kept)


BOOLS = "instead of one bool for each of its 8 channels"


class Careless:
    """A criterion and an allocation that give what they are told to."""

    def __init__(self, scores=None, plan=None):
        self.scores, self.plan = scores, plan

    @hookimpl
    def prunus_register(self):
        return (Criterion("careless", "a test"), Policy("careless", "a test", "mask"))

    @hookimpl
    def prunus_rank(self, group):
        return self.scores(group)

    @hookimpl
    def prunus_mask(self):
        return self.plan


def with_plugin(host, plugin):
    plugins = dict.fromkeys((entry.plugin, entry.distribution) for entry in host.registered)
    return Host([*plugins, (plugin, "careless")])


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (lambda group: np.full(group.size, np.nan), "NaN or infinite numbers"),
        (lambda group: np.ones(group.size + 1), "ndarray of shape (9,) and type float64"),
        (lambda group: np.ones((group.size, 1)), "ndarray of shape (8, 1) and type float64"),
        (lambda group: 7.5, "float 7.5"),
        (lambda group: "high", "str 'high'"),
    ],
)
def test_scores_that_are_none(host, settings, scores, said):
    careless = with_plugin(host, Careless(scores=scores))
    with pytest.raises(PluginError) as caught:
        prune(careless, at(settings, criterion="careless"))
    assert str(caught.value) == (
        f"criterion 'careless' of careless gave no usable answer to prunus_rank: {said} instead of "
        "one finite number for each of the 8 channels of group 'conv1'"
    )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"conv1": np.zeros(8, bool)}, "it keeps none of its channels; one must stay"),
        ({"conv1": np.ones(7, bool)}, f"ndarray of shape (7,) and type bool {BOOLS}"),
        ({"conv1": np.ones(8)}, f"ndarray of shape (8,) and type float64 {BOOLS}"),
        ({"conv1": [True] * 8}, f"list [True, True, True, True, True, True, True, True] {BOOLS}"),
        ({"conv1": 7.5}, f"float 7.5 {BOOLS}"),
        ({"conv1": None}, f"it returned None {BOOLS}"),
        ({"conv9": np.ones(8, bool)}, "the network has no such group"),
    ],
)
def test_plans_that_are_none(host, settings, plan, said):
    careless = with_plugin(host, Careless(plan=plan))
    with pytest.raises(PluginError) as caught:
        prune(careless, at(settings, allocation="careless"))
    assert str(caught.value) == (
        f"allocation 'careless' of careless gave no usable plan for group '{next(iter(plan))}': {said}"
    )
    assert not Path("ws").exists()


def test_another_criterion_than_the_analysis_is_said(host, settings):
    analyze(host, settings, (0.5,))
    same = prune(host, attrs.evolve(settings, rate=0.3)).report.notes
    assert not any("by criterion" in note for note in same)
    other = prune(host, attrs.evolve(settings, rate=0.3, criterion="fpgm")).report.notes
    assert (
        "'prunus ana' removed channels by criterion block-obs, this plan by fpgm: the losses it weighs "
        "are of other channels" in other
    )


class Refuser:
    """A plugin whose format cannot write the smaller network."""

    @hookimpl(wrapper=True)
    def prunus_compact(self, destination):
        if destination.stage == "compact":
            raise ModelError("layer 'conv2': no file can say 7 channels")
        return (yield)


def test_what_transform_could_not_write_is_refused_now(host, settings):
    plugins = [(entry.plugin, entry.distribution) for entry in host.registered]
    refusing = Host([*dict.fromkeys(plugins), (Refuser(), "refuser")])
    with pytest.raises(ModelError) as caught:
        prune(refusing, at(settings))
    assert str(caught.value) == "layer 'conv2': no file can say 7 channels"
    assert not [path for path in Path("ws").rglob("*") if path.is_file()]


def test_the_trial_of_the_writer_leaves_nothing(host, settings):
    prune(host, at(settings))
    names = sorted(path.name for path in Path("ws/rate_0.4").iterdir())
    assert names == ["net.onnx", "plan.json"]


def test_a_plan_that_is_not_equal_is_refused_before_it_is_written(host, settings, monkeypatch):
    def wrong(network, grouping, keep):
        found = compact(network, grouping, keep)
        bias = found.model.graph.initializers["conv2/bias"]
        bias.const_value = ir.tensor(bias.const_value.numpy() + 1, name="conv2/bias")
        return found

    monkeypatch.setattr("prunus.pruning.compact", wrong)
    with pytest.raises(ProofError) as caught:
        prune(host, at(settings))
    assert str(caught.value).startswith(
        "the compact network differs from the masked one at output 'ip2', first at layer 'conv2': "
    )
    assert not Path("ws").exists()


def test_the_proof_is_in_the_report(host, settings):
    report = prune(host, at(settings)).report
    assert report.facts["exact"]
    assert report.facts["proof"]["error"] <= 1e-5
    assert report.facts["proof"]["samples"] == 8
    assert report.facts["proof"]["batches"] == (1, 3)
    assert prune(host, at(settings, data=None)).report.facts["proof"]["samples"] == 4


def test_samples_without_labels_are_measured_by_agreement(host, settings):
    with np.load("test.npz") as stored:
        np.savez("bare.npz", x=stored["x"])
    report = prune(host, at(settings, data="bare.npz")).report
    assert report.metric == "agreement"
    assert value(report.stages[0]) == 1
    assert dict(report.stages[0].beside) == {}
    assert list(report.stages[1].beside) == ["divergence"]
    assert report.stages[1].beside["divergence"].value > 0


def test_agreement_stands_beside_a_metric_of_labels(host, settings):
    report = prune(host, at(settings)).report
    assert report.metric == "top-1"
    assert list(report.stages[1].beside) == ["agreement", "divergence"]
    alone = evaluate_agreement(host, settings, report)
    assert report.stages[1].beside["agreement"].value == alone


def evaluate_agreement(host, settings, report):
    """The same number as the metric of its own."""
    again = attrs.evolve(settings, workspace=Path("again"), metric="agreement")
    return value(prune(host, at(again)).report.stages[1])


def test_the_report_says_how_channels_were_chosen(host, settings):
    found = prune(host, at(settings)).report.facts
    assert (found["criterion"], found["allocation"]) == ("block-obs", "search")
    bare = attrs.evolve(settings, data=None, workspace=Path("bare"))
    found = prune(host, at(bare)).report.facts
    assert (found["criterion"], found["allocation"]) == ("l1", "uniform")


def test_weights_beside_the_model_count_before_and_after(host, settings):
    """As torch's exporter writes them: ``net.onnx`` and ``net.onnx.data``."""
    model = ir.load("net.onnx")
    Path("beside").mkdir()
    ir.save(model, "beside/net.onnx", external_data="net.onnx.data", size_threshold_bytes=0)
    beside = attrs.evolve(at(settings), model=Path("beside/net.onnx"))
    files = (Path("beside/net.onnx"), Path("beside/net.onnx.data"))
    original, pruned = prune(host, beside).report.stages
    assert original.bytes == sum(path.stat().st_size for path in files)
    assert pruned.bytes == Path("ws/rate_0.4/net.onnx").stat().st_size
    assert 0.9 < pruned.bytes / original.bytes < 1.1
