from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from prunus.errors import ModelError
from prunus.evaluation import session
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import (
    Session,
    Structure,
    drop_unused,
    with_outputs,
)


def test_outputs_by_name(lenet, draw):
    inputs = {"data": draw.standard_normal((3, 1, 12, 12)).astype(np.float32)}
    assert {name: array.shape for name, array in Session(lenet.model).run(inputs).items()} == {
        "ip2": (3, 4)
    }
    found = Session(lenet.model, ["pool1", "ip2"]).run({**inputs, "another": np.zeros(3)})
    assert found["pool1"].shape == (3, 8, 5, 5)
    assert np.array_equal(found["ip2"], Session(lenet.model).run(inputs)["ip2"])


def test_a_structure_runs_with_other_weights(lenet):
    inputs = random_inputs(lenet.model, 2, 0)
    weights = {name: 2 * lenet.weights()[name] for name in ("conv1/weight", "conv1/bias")}
    structure = Structure(lenet.model, weights)
    found = Session(structure.replaced(weights)).run(inputs)["ip2"]
    assert np.array_equal(found, Session(lenet.with_weights(weights).model).run(inputs)["ip2"])
    unchanged = Session(structure).run(inputs)["ip2"]
    assert np.array_equal(unchanged, Session(lenet.model).run(inputs)["ip2"])
    assert not np.array_equal(found, unchanged)


def test_other_outputs_leave_the_graph_alone(lenet):
    cut = with_outputs(lenet.model, ["pool1"])
    assert [node.name for node in cut.graph] == ["conv1", "relu1", "pool1"]
    assert sorted(cut.graph.initializers) == ["conv1/bias", "conv1/weight"]
    assert len(list(lenet.model.graph)) == 9
    drop_unused(lenet.model)
    assert len(list(lenet.model.graph)) == 9


def test_inputs_that_do_not_fit(lenet):
    whole = Session(lenet.model)
    with pytest.raises(ModelError) as caught:
        whole.run({"data": np.zeros((1, 1, 9, 9), np.float32)})
    assert str(caught.value) == (
        "ONNX Runtime stopped: input 'data' has size 9 on axis 2, the network takes 12"
    )


def test_a_graph_that_cannot_run(lenet):
    broken = lenet.with_weights({})
    node = next(node for node in broken.model.graph if node.name == "ip2")
    node.op_type = "Foo"
    with pytest.raises(ModelError) as caught:
        Session(broken.model)
    assert str(caught.value) == (
        "ONNX Runtime refuses the network: layer 'ip2' (Foo): ONNX Runtime has no such operator "
        "for these numbers; see --verbose"
    )


def test_latency_is_that_of_the_fastest_run(lenet):
    found = Session(lenet.model).latency(random_inputs(lenet.model, 1, 0), seconds=0.02)
    assert 0 < found < 20


def test_layouts_of_a_long_graph_are_not_searched_for_a_few_samples(lenet, monkeypatch, draw):
    monkeypatch.setattr(session, "_LONG", 8)
    levels = ort.GraphOptimizationLevel
    inputs = {"data": draw.standard_normal((3, 1, 12, 12)).astype(np.float32)}
    wanted = Session(lenet.model).run(inputs)["ip2"]
    for outputs, samples, level in (
        (None, None, levels.ORT_ENABLE_ALL),
        (None, 17, levels.ORT_ENABLE_ALL),
        (None, 16, levels.ORT_ENABLE_EXTENDED),
        (["pool1"], 16, levels.ORT_ENABLE_ALL),  # three nodes are left
        (None, 0, levels.ORT_DISABLE_ALL),
    ):
        found = Session(lenet.model, outputs, samples=samples)
        assert found._session.get_session_options().graph_optimization_level == level
        if outputs is None:
            np.testing.assert_allclose(found.run(inputs)["ip2"], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("heavy", "samples", "arena"), [(0, 4, False), (0, None, True)])
def test_large_weights_are_held_once_for_a_known_number_of_samples(
    lenet, monkeypatch, draw, heavy, samples, arena
):
    inputs = {"data": draw.standard_normal((4, 1, 12, 12)).astype(np.float32)}
    wanted = Session(lenet.model).run(inputs)["ip2"]
    monkeypatch.setattr(session, "_HEAVY", heavy)
    monkeypatch.setattr(session, "_LARGE", 1)  # of lenet too some weights lie outside the graph
    found = Session(lenet.model, samples=samples)
    options = found._session.get_session_options()
    assert options.enable_cpu_mem_arena == arena
    assert np.allclose(found.run(inputs)["ip2"], wanted, atol=1e-5)


def test_the_largest_weights_are_given_with_every_run(lenet, monkeypatch):
    inputs = random_inputs(lenet.model, 2, 0)
    wanted = Session(lenet.model).run(inputs)["ip2"]
    monkeypatch.setattr(session, "_LARGE", 1)
    monkeypatch.setattr(session, "_HUGE", lenet.weights()["ip1/weight"].nbytes)
    structure = Structure(lenet.model)
    assert structure.fed == ("ip1/weight",)
    found = Session(structure)
    assert np.allclose(found.run(inputs)["ip2"], wanted, atol=1e-5)
    assert found.latency(inputs, 0.001) > 0
    doubled = {"ip1/weight": 2 * lenet.weights()["ip1/weight"]}
    other = Session(structure.replaced(doubled)).run(inputs)["ip2"]
    assert np.allclose(other, Session(lenet.with_weights(doubled).model).run(inputs)["ip2"])


@pytest.mark.parametrize(
    ("heavy", "samples", "spared"), [(0, 4, True), (0, None, False), (1 << 30, 4, False)]
)
def test_more_weights_are_given_with_every_run_where_memory_is_spared(
    lenet, monkeypatch, heavy, samples, spared
):
    inputs = random_inputs(lenet.model, 4, 0)
    wanted = Session(lenet.model).run(inputs)["ip2"]
    weights = lenet.weights()
    monkeypatch.setattr(session, "_LARGE", 1)
    monkeypatch.setattr(session, "_HEAVY", heavy)
    monkeypatch.setattr(session, "_SPARED", weights["conv2/weight"].nbytes)
    structure = Structure(lenet.model, samples=samples)
    large = {n for n, array in weights.items() if array.nbytes >= weights["conv2/weight"].nbytes}
    assert set(structure.fed) == (large if spared else set())
    found = Session(structure, samples=samples)
    assert np.allclose(found.run(inputs)["ip2"], wanted, atol=1e-5)


def test_initializers_that_are_inputs_too_stay_initializers(lenet, monkeypatch):
    """Files before version 4 of ONNX's IR list every weight among the inputs."""
    monkeypatch.setattr(session, "_LARGE", 1)
    model = lenet.model.clone()
    model.graph.inputs.extend(model.graph.initializers.values())
    inputs = random_inputs(lenet.model, 2, 0)
    assert Structure(model).fed == ()
    found, wanted = (Session(one).run(inputs)["ip2"] for one in (model, lenet.model))
    assert np.allclose(found, wanted, atol=1e-6)


def test_small_weights_keep_the_memory_of_a_run_for_the_next(lenet):
    found = Session(lenet.model, samples=4)
    assert found._session.get_session_options().enable_cpu_mem_arena


def test_large_weights_that_nothing_reads_are_no_trouble(lenet):
    model = lenet.model.clone()
    array = np.zeros((256, 256), np.float32)
    unused = ir.Value(name="unused", const_value=ir.tensor(array), shape=ir.Shape(array.shape))
    unused.type = ir.TensorType(ir.DataType.FLOAT)
    model.graph.register_initializer(unused)
    inputs = random_inputs(lenet.model, 1, 0)
    found, wanted = (Session(one).run(inputs) for one in (model, lenet.model))
    assert all(np.array_equal(found[name], array) for name, array in wanted.items())
