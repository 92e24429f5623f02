"""The public functions on values, without files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import prunus
from prunus.errors import DataError, NoSamplesError, PlanError, StaleError, UsageError


@pytest.fixture
def proto(lenet):
    return ir.to_proto(lenet.model)


@pytest.fixture
def samples(draw):
    return draw.standard_normal((40, 1, 12, 12)).astype(np.float32)


def test_the_six_lines_in_memory(proto, samples, tmp_path):
    before = proto.SerializeToString()
    network = prunus.load(proto)
    plan = prunus.plan(network, rate=0.5, data=samples)
    masked = prunus.prune(network, plan, data=samples)
    small = prunus.compact(masked)
    small.save(tmp_path / "smaller")
    assert proto.SerializeToString() == before
    assert not list(Path.cwd().glob("*.onnx"))
    assert plan.rate == pytest.approx(0.5, abs=0.05)
    assert small.proof.error <= 1e-5
    assert prunus.stat(small.network).macs == pytest.approx(
        (1 - plan.rate) * prunus.stat(network).macs, rel=1e-6
    )
    words = [str(value).partition("(")[0] for value in (network, masked, small)]
    assert words == ["Network", "MaskedNetwork", "CompactNetwork"]
    assert f"% of the MACs removed, params {prunus.stat(network).params:,} → " in repr(small)
    assert max(len(repr(value)) for value in (network, masked, small)) < 160
    again = prunus.load(tmp_path / "smaller" / "model.onnx")
    assert prunus.stat(again).macs == prunus.stat(small.network).macs
    onnx.checker.check_model(small.native)


def test_a_plan_of_the_network_that_a_first_round_leaves_is_carried_out_on_the_original(
    proto, samples
):
    network = prunus.load(proto)
    first = prunus.prune(network, prunus.plan(network, rate=0.3, data=samples), data=samples)
    plan = prunus.plan(first.network, rate=0.5, data=samples)
    masked = prunus.prune(network, plan, data=samples)
    assert plan.rate == pytest.approx(0.5, abs=0.05)
    assert masked.original is network
    assert masked.proof.error <= 1e-5


def test_example_inputs_are_for_models_that_are_called(proto, tmp_path):
    with pytest.raises(UsageError) as caught:
        prunus.load(proto, example_inputs=3)
    assert str(caught.value) == (
        "example_inputs=: a live model of format onnx is read without them; leave them out"
    )
    with pytest.raises(UsageError) as caught:
        prunus.load(tmp_path / "net.onnx", example_inputs=3)
    assert str(caught.value) == (
        "example_inputs= is for live models; a file says its inputs itself"
    )


def test_equal_values_of_masked_and_compact(proto, samples):
    network = prunus.load(proto)
    masked = prunus.prune(network, prunus.plan(network, rate=0.4), data=samples)
    small = prunus.compact(masked, data=samples)
    whole, one, other = (
        prunus.evaluate(found, samples, metric="fidelity").value
        for found in (network, masked, small)
    )
    assert whole == pytest.approx(1)
    assert one == pytest.approx(other, abs=1e-6)
    assert one < 1


def test_measured_curves_make_a_plan(proto, samples):
    network = prunus.load(proto)
    sensitivity = prunus.analyze(network, samples, ratios=(0.3, 0.6), samples=20)
    assert {len(curve.points) for curve in sensitivity.curves} == {2}
    plan = prunus.plan(network, rate=0.3, sensitivity=sensitivity)
    assert plan.allocation == "sensitivity"


def test_a_text_is_one_excluded_layer(proto):
    network = prunus.load(proto)
    layer = prunus.stat(network).groups[0].layers[0]
    assert str(prunus.stat(network, exclude=layer)) == str(prunus.stat(network, exclude=(layer,)))
    assert (layer, "excluded") in {
        (entry.layer, entry.reason) for entry in prunus.stat(network, exclude=layer).protected
    }
    assert prunus.plan(network, rate=0.2, exclude=layer).exclude == (layer,)


def test_labels_come_as_a_pair(proto, samples):
    network = prunus.load(proto)
    labels = np.zeros(40, np.int64)
    found = prunus.evaluate(network, (samples, labels), metric="top-1", samples=10)
    assert 0 <= found.value <= 1


def test_masked_networks_are_written_whole(proto, samples, tmp_path):
    network = prunus.load(proto)
    masked = prunus.prune(network, prunus.plan(network, rate=0.4))
    again = prunus.load(masked.save(tmp_path).model)
    assert prunus.stat(again).params == prunus.stat(network).params
    exported = prunus.export(prunus.compact(masked), tmp_path / "small.onnx")
    assert prunus.stat(prunus.load(exported)).params < prunus.stat(network).params


def test_mistakes_are_named(proto, samples):
    network = prunus.load(proto)
    with pytest.raises(UsageError, match=r"knows a model of type builtins\.dict"):
        prunus.load({})
    with pytest.raises(NoSamplesError, match="^no samples to evaluate on: give data=$"):
        prunus.evaluate(network)
    with pytest.raises(PlanError, match="out of reach"):
        prunus.plan(network, rate=0.999)
    with pytest.raises(UsageError, match="^give either"):
        prunus.plan(network)
    plan = prunus.plan(network, rate=0.4)
    with pytest.raises(StaleError):
        prunus.prune(prunus.load(_wider(proto)), plan)


def _wider(proto):
    """The same network with another name for its input."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for node in copy.graph.node:
        for index, name in enumerate(node.input):
            if name == copy.graph.input[0].name:
                node.input[index] = "other"
    copy.graph.input[0].name = "other"
    return copy


def test_public_names_are_frozen():
    assert sorted(prunus.__all__) == [
        "Benched",
        "CompactNetwork",
        "Compressed",
        "MaskedNetwork",
        "Measurement",
        "Network",
        "Plan",
        "Proof",
        "PrunusError",
        "Sensitivity",
        "Statistics",
        "analyze",
        "bench",
        "compact",
        "compress",
        "decompress",
        "evaluate",
        "export",
        "finetune",
        "load",
        "plan",
        "prune",
        "stat",
    ]
    assert all(getattr(prunus, name) is not None for name in prunus.__all__)


def test_finetuning_keeps_the_mask(proto, samples, tmp_path):
    pytest.importorskip("prunus_torch", reason="prunus-torch is not installed")
    network = prunus.load(proto)
    masked = prunus.prune(network, prunus.plan(network, rate=0.4), data=samples)
    start = prunus.evaluate(masked, samples, metric="fidelity").value
    seen = []
    ways = {"distill": True, "iterations": 12, "batch_size": 8, "learning_rate": 0.01}
    tuned = prunus.finetune(
        masked, samples, **ways, evaluation=samples, report=lambda now: seen.append(now.iteration)
    )
    assert seen == list(range(1, 13))
    assert prunus.evaluate(tuned, samples, metric="fidelity").value > start
    assert prunus.compact(tuned).proof.error <= 1e-5
    sizes = {prunus.stat(prunus.compact(one).network).params for one in (masked, tuned)}
    assert len(sizes) == 1
    with pytest.raises(DataError, match="^no training samples: give data=$"):
        prunus.finetune(masked)
    with pytest.raises(DataError, match="have no labels"):
        prunus.finetune(masked, samples)


def test_a_live_model_has_no_files_of_its_task(proto):
    with pytest.raises(UsageError) as caught:
        prunus.load(proto, metric="top-5")
    assert str(caught.value) == (
        "solver=, metric= and data= are for files; a live model is trained and measured with what "
        "evaluate() and finetune() are given"
    )
