"""Weights that share a value: the sum of gradients, worked out by a run with free weights."""

from __future__ import annotations

import json

import attrs
import numpy as np
import onnx_ir as ir
import pytest

import prunus
from prunus.plugin import Compact, run
from prunus_torch.testing.train_job import job
from prunus_torch.train import train

VALUES = np.array([-0.3, 0.1, 0.4, 0], np.float32)


def sharing(tmp_path, iterations, solver="SGD"):
    """A job whose weights share three values and zero, which is its last number."""
    plain = job(tmp_path, resume=False)
    weights = plain.network.weights()
    numbers = {
        name: (np.arange(weights[name].size) % 4 - 1).astype(np.int16).reshape(weights[name].shape)
        for name in ("conv/weight", "ip/weight")
    }
    network = plain.network.with_weights({name: VALUES[one] for name, one in numbers.items()})
    recipe = attrs.evolve(plain.recipe, iterations=iterations, solver=solver)
    return attrs.evolve(
        plain, network=network, compact=Compact(network.model, {}), recipe=recipe, shared=numbers
    )


def test_a_value_follows_the_sum_of_its_gradients(tmp_path):
    shared = sharing(tmp_path / "a", 1)
    recipe = attrs.evolve(shared.recipe, weight_decay=0.0)
    shared = attrs.evolve(shared, recipe=recipe)
    free = attrs.evolve(shared, shared={}, workspace=tmp_path / "b")
    for one in (shared, free):
        one.workspace.mkdir(exist_ok=True)
    together, apart = train(shared), train(free)
    before = shared.network.weights()
    for name, numbers in shared.shared.items():
        for number in range(3):
            held = numbers == number
            step = (apart[name] - before[name])[held].sum()
            np.testing.assert_allclose(
                (together[name] - before[name])[held], step, rtol=1e-3, atol=1e-6
            )
        assert not together[name][numbers < 0].any()
    np.testing.assert_array_equal(together["conv/bias"], apart["conv/bias"])


@pytest.mark.parametrize("solver", ["SGD", "Nesterov", "Adam", "RMSProp", "AdaGrad", "AdaDelta"])
def test_weights_stay_equal_bit_by_bit(tmp_path, solver):
    shared = sharing(tmp_path, 6, solver)
    recipe = shared.recipe
    rate = attrs.evolve(recipe.learning_rate, base=1e-3)
    found = train(attrs.evolve(shared, recipe=attrs.evolve(recipe, learning_rate=rate)))
    for name, numbers in shared.shared.items():
        assert np.unique(found[name]).size == 4
        assert not found[name][numbers < 0].any()


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain = job(tmp_path, resume=False)
    ir.save(plain.network.model, tmp_path / "net.onnx")
    draw = np.random.default_rng(0)
    np.savez("train.npz", x=draw.standard_normal((40, 2, 7, 7)).astype(np.float32))
    line = "compress --model net.onnx --bits 2 --train-data train.npz --distill --json --no-measure"
    told = {}
    for name, more in (("free", ""), ("trained", "--iterations 30 --learning-rate 0.001")):
        assert run([*line.split(), "--output", f"{name}.prunus", *more.split()]) == 0
        told[name] = json.loads(capsys.readouterr().out)
        written = prunus.decompress(f"{name}.prunus", name)
        weights = prunus.load(written.model).weights()
        told[name]["weights"] = {key: weights[key] for key in ("conv/weight", "ip/weight")}
    inputs = draw.standard_normal((60, 2, 7, 7)).astype(np.float32)
    original = prunus.load("net.onnx")
    errors = {}
    for name, found in told.items():
        for key, array in found["weights"].items():
            assert np.unique(array).size <= 4, (name, key)
        network = original.with_weights(found["weights"])
        errors[name] = np.square(outputs(network, inputs) - outputs(original, inputs)).mean()
    assert not np.array_equal(
        told["free"]["weights"]["conv/weight"], told["trained"]["weights"]["conv/weight"]
    )
    assert errors["trained"] < errors["free"]


def outputs(network, inputs):
    """Raw outputs in ONNX Runtime."""
    from prunus.plugin import Session

    (found,) = Session(network.model).run({"x": inputs}).values()
    return found
