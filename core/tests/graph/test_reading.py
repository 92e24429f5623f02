from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunus.analysis import exact
from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.compaction import compact
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session, drop_unused, with_outputs
from prunus.folding import fold
from prunus.graph.reading import inside, reads
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Network
from prunus.testing.nets import as_network


@pytest.fixture
def branching(draw: np.random.Generator) -> Network:
    """conv1 - relu - conv2 - {sigmoid or tanh, as the input is bright} - conv3 - relu - conv4.

    The branches read conv2 from outside; the condition does not depend on it.
    """

    def weight(*shape: int) -> np.ndarray:
        return (draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    def branch(name: str, operator: str):
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(operator, ["conv2"], [name])], name, [], [info])

    def node(kind: str, inputs: list[str], output: str, **attributes: object):
        return helper.make_node(kind, inputs, [output], name=output, **attributes)

    nodes = [
        node("Conv", ["data", "conv1/weight", "conv1/bias"], "conv1"),
        node("Relu", ["conv1"], "relu1"),
        node("Conv", ["relu1", "conv2/weight", "conv2/bias"], "conv2"),
        node("ReduceSum", ["data"], "bright", keepdims=0),
        node("Cast", ["bright"], "chosen", to=TensorProto.BOOL),
        node(
            "If",
            ["chosen"],
            "branch",
            then_branch=branch("yes", "Sigmoid"),
            else_branch=branch("no", "Tanh"),
        ),
        node("Conv", ["branch", "conv3/weight", "conv3/bias"], "conv3"),
        node("Relu", ["conv3"], "relu3"),
        node("Conv", ["relu3", "conv4/weight", "conv4/bias"], "conv4"),
    ]
    weights = {"conv1": (6, 1, 3, 3), "conv2": (4, 6, 1, 1), "conv3": (8, 4, 3, 3), "conv4": (3, 8, 1, 1)}  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "branching",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("conv4", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [
            numpy_helper.from_array(array, f"{name}/{role}")
            for name, shape in weights.items()
            for role, array in (("weight", weight(*shape)), ("bias", weight(*shape)[:, 0, 0, 0]))
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    network = as_network(ir.from_proto(proto))
    return Network(network.model, "onnx", network.bindings, network.layers, {"conv2": "branches"})


def nodes_of(model: ir.Model) -> dict[str, ir.Node]:
    return {node.name or "": node for node in model.graph}


def test_a_branch_reads_from_outside(branching):
    node = nodes_of(branching.model)["branch"]
    assert sorted(value.name for _, _, value in reads(node)) == ["chosen", "conv2", "conv2"]
    assert [inner.op_type for inner in inside(node)] == ["Tanh", "Sigmoid"]


def test_what_only_a_removed_branch_read_is_removed_too(branching):
    first = with_outputs(branching.model, ["relu1"])
    assert list(nodes_of(first)) == ["conv1", "relu1"]
    assert list(first.graph.initializers) == ["conv1/weight", "conv1/bias"]
    drop_unused(branching.model)
    assert len(nodes_of(branching.model)) == 9


def test_curves_behind_and_through_branches(branching, draw):
    grouping = find_groups(branching)
    assert [group.name for group in grouping.groups] == ["conv1", "conv3"]
    samples = draw.standard_normal((20, 1, 8, 8)).astype(np.float32)
    evaluator = Evaluator(branching, ArrayDataset("data", samples), Fidelity(), None, 8)
    scores = {group.name: draw.random(group.size) for group in grouping.groups}
    job = Analysis(grouping, evaluator, scores, (0.5,), Journal(None, {}), {}, lambda *_: None)
    found = exact.analyze(branching, job)
    for group in grouping.groups:
        ((_, keep),) = job.trials(group)
        plan = {group.name: keep}
        folded = fold(branching, grouping, plan, evaluator.calibration())
        swept = compact(mask(folded, grouping, plan), grouping, plan).model
        measured = evaluator.measure(swept).value
        assert measured < 0.999
        assert found.curve(group.name).points[0].value == pytest.approx(measured, abs=1e-6)


def test_both_branches_run(branching):
    session = Session(branching.model, ["branch", "conv2"])
    inputs = random_inputs(branching.model, 2, 0)
    dark = session.run({"data": np.zeros_like(inputs["data"])})
    bright = session.run(inputs)
    assert np.allclose(dark["branch"], np.tanh(dark["conv2"]), atol=1e-6)
    assert np.allclose(bright["branch"], 1 / (1 + np.exp(-bright["conv2"])), atol=1e-6)
