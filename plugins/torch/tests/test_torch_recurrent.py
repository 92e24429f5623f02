"""Recurrent layers against ONNX Runtime, and their derivatives."""

from __future__ import annotations

import itertools

import numpy as np
import onnx_ir as ir
import pytest
import torch
from onnx import helper

from prunus.errors import ModelError
from prunus_torch.executor import Program, evaluate
from prunus_torch.testing.graphs import model_of, onnxruntime_outputs

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
TIMES, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def case(op, direction="forward", lengths=None, states=False, bias=True, **attributes):
    """A model of one layer, its inputs and the names of its outputs."""
    directions = 2 if direction == "bidirectional" else 1
    size = GATES[op] * HIDDEN
    constants = {"w": draw(directions, size, INPUTS), "r": draw(directions, size, HIDDEN)}
    names = ["x", "w", "r", "b" if bias else "", "n" if lengths else ""]
    if bias:
        constants["b"] = draw(directions, 2 * size)
    if lengths:
        constants["n"] = np.array(lengths, np.int32)
    batch_first = attributes.get("layout", 0) == 1
    if states:
        start = (BATCH, directions, HIDDEN) if batch_first else (directions, BATCH, HIDDEN)
        constants |= {"h": draw(*start), "c": draw(*start) * 2}
        names += ["h", "c"] if op == "LSTM" else ["h"]
    outputs = ["y", "yh", "yc"][: 3 if op == "LSTM" else 2]
    node = helper.make_node(
        op, names, outputs, name="n1", hidden_size=HIDDEN, direction=direction, **attributes
    )
    used = {name: array for name, array in constants.items() if name in names}
    shape = (BATCH, TIMES, INPUTS) if batch_first else (TIMES, BATCH, INPUTS)
    return model_of([node], {"x": shape}, outputs, used), {"x": draw(*shape)}, outputs


WAYS = [
    *itertools.product(GATES, ["forward", "reverse", "bidirectional"], [None, [5, 2, 4]], [0, 1]),
]


@pytest.mark.parametrize(("op", "direction", "lengths", "more"), WAYS)
def test_equals_onnxruntime(op, direction, lengths, more):
    after = {"linear_before_reset": more} if op == "GRU" else {}
    model, inputs, outputs = case(op, direction, lengths, bool(more), bool(more), **after)
    wanted = onnxruntime_outputs(model, inputs, outputs)
    found = evaluate(model, inputs)
    for name in outputs:
        assert found[name].shape == wanted[name].shape
        assert np.abs(found[name] - wanted[name]).max() <= 1e-5


@pytest.mark.parametrize("op", GATES)
def test_batch_first_is_the_same_the_other_way_round(op):
    """ONNX Runtime does not run this layout."""
    plain, inputs, outputs = case(op, "bidirectional", None, True)
    turned, _, _ = case(op, "bidirectional", None, True, layout=1)
    for name in ("h", "c"):
        if name in turned.graph.initializers:
            array = plain.graph.initializers[name].const_value.numpy().transpose(1, 0, 2)
            turned.graph.initializers[name].const_value = ir.tensor(array)
    first = evaluate(plain, inputs)
    second = evaluate(turned, {"x": inputs["x"].transpose(1, 0, 2)})
    assert np.allclose(first["y"].transpose(2, 0, 1, 3), second["y"], atol=1e-6)
    for name in outputs[1:]:
        assert np.allclose(first[name].transpose(1, 0, 2), second[name], atol=1e-6)


@pytest.mark.parametrize("op", GATES)
def test_every_weight_has_a_derivative(op):
    model, inputs, _ = case(op, "bidirectional", [5, 2, 4], True)
    names = ("w", "r", "b")
    program = Program(model, ["y"], variables=names)
    weights = {
        name: torch.tensor(model.graph.initializers[name].const_value.numpy(), requires_grad=True)
        for name in names
    }
    given = {"x": torch.from_numpy(inputs["x"])}

    def loss():
        return program.run(given, weights)["y"].square().sum()

    loss().backward()
    for weight in weights.values():
        direction = torch.randn_like(weight)
        with torch.no_grad():
            wanted = (weight.grad * direction).sum().item()
            weight += 1e-3 * direction
            above = loss().item()
            weight -= 2e-3 * direction
            below = loss().item()
            weight += 1e-3 * direction
        assert (above - below) / 2e-3 == pytest.approx(wanted, rel=2e-2, abs=2e-2)


ADVICE = "; use the trainer of the model's own framework (prunus methods lists them)"


@pytest.mark.parametrize(
    ("op", "attributes", "what"),
    [
        ("LSTM", {"clip": 3.0}, "clip in a recurrent layer"),
        ("LSTM", {"input_forget": 1}, "input_forget in a recurrent layer"),
        ("RNN", {"activations": ["Relu"]}, "activations Relu in a recurrent layer"),
    ],
)
def test_refuses_by_name(op, attributes, what):
    model, inputs, _ = case(op, **attributes)
    with pytest.raises(ModelError) as caught:
        evaluate(model, inputs)
    assert str(caught.value) == f"node 'n1' ({op}): the torch trainer has no {what}{ADVICE}"


def test_refuses_peepholes():
    model, inputs, outputs = case("LSTM", states=True)
    node = helper.make_node(
        "LSTM", ["x", "w", "r", "b", "", "h", "c", "p"], outputs, name="n1", hidden_size=HIDDEN
    )
    held = {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}
    held["p"] = draw(1, 3 * HIDDEN)
    with pytest.raises(ModelError) as caught:
        evaluate(model_of([node], {"x": inputs["x"].shape}, outputs, held), inputs)
    assert "has no peepholes in a recurrent layer" in str(caught.value)
