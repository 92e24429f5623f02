"""BatchNormalization in training: batch statistics, and Caffe's rule for the running ones.

The formulas are those of Caffe's ``batch_norm_layer.cpp`` (BVLC), written out in numpy.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from onnx import helper

from prunus.task import LearningRate, Loss, Recipe
from prunus_torch.executor import Program
from prunus_torch.testing.graphs import Array, model_of
from prunus_torch.testing.jobs import in_order, job_of, network_of, roles_by_name
from prunus_torch.train import train

FRACTION = 0.9
PASSES = 6


def weights() -> dict[str, Array]:
    return {
        "bn/scale": np.array([1.5, 0.5], np.float32),
        "bn/shift": np.array([0.1, -0.2], np.float32),
        "bn/mean": np.array([0.3, -0.1], np.float32),
        "bn/variance": np.array([2.0, 0.7], np.float32),
    }


def net() -> object:
    operands = ["x", "bn/scale", "bn/shift", "bn/mean", "bn/variance"]
    node = helper.make_node("BatchNormalization", operands, ["y"], epsilon=1e-3)
    return model_of([node], {"x": (4, 2, 3, 3)}, ["y"], weights())


def batches() -> Array:
    return (
        np.random.default_rng(0).standard_normal((PASSES * 4, 2, 3, 3)).astype(np.float32) * 2 + 1
    )


def caffe_statistics(samples: Array) -> tuple[Array, Array]:
    """Caffe's sums and scale factor, started where the factor has settled."""
    factor = 1 / (1 - FRACTION)
    mean, variance = weights()["bn/mean"] * factor, weights()["bn/variance"] * factor
    for batch in samples.reshape(PASSES, 4, 2, 3, 3).astype(np.float64):
        count = batch.size // 2
        factor = factor * FRACTION + 1
        mean = mean * FRACTION + batch.mean((0, 2, 3))
        variance = variance * FRACTION + batch.var((0, 2, 3)) * count / (count - 1)
    return mean / factor, variance / factor


@pytest.mark.parametrize("accumulate", [1, 2])
def test_running_statistics_follow_caffe(accumulate: int, tmp_path: Path) -> None:
    model = net()
    recipe = Recipe(
        iterations=PASSES // accumulate,
        accumulate=accumulate,
        batch_size=4,
        bn_momentum=FRACTION,
        learning_rate=LearningRate(base=1e-3),
        losses=(Loss("euclidean", ("y",)),),
    )
    samples = batches()
    job = job_of(
        network_of(model, roles_by_name(model)),
        recipe,
        in_order(samples, np.zeros_like(samples), name="x"),
        tmp_path,
    )
    found = train(job)
    mean, variance = caffe_statistics(samples)
    assert np.abs(found["bn/mean"] - mean).max() <= 1e-6
    assert np.abs(found["bn/variance"] - variance).max() <= 1e-5
    assert not np.array_equal(found["bn/scale"], weights()["bn/scale"])


def test_batch_is_normalised_by_its_own_biased_variance() -> None:
    names = list(weights())
    program = Program(net(), ["y"], variables=names, statistics=1 - FRACTION)
    x = batches()[:4]
    variables = {name: torch.from_numpy(array) for name, array in weights().items()}
    found = program.run({"x": torch.from_numpy(x)}, variables)["y"].numpy()
    axes, shape = (0, 2, 3), (1, 2, 1, 1)
    normal = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-3)
    wanted = normal * weights()["bn/scale"].reshape(shape) + weights()["bn/shift"].reshape(shape)
    assert np.abs(found - wanted).max() <= 1e-5


@pytest.mark.parametrize("by_option", [False, True])
def test_frozen_statistics_stay(tmp_path: Path, by_option: bool) -> None:
    model = net()
    recipe = Recipe(
        iterations=3,
        batch_size=4,
        bn_frozen=not by_option,
        losses=(Loss("euclidean", ("y",)),),
        learning_rate=LearningRate(base=1e-3),
    )
    samples = batches()
    data = in_order(samples, np.zeros_like(samples), name="x")
    job = job_of(network_of(model, roles_by_name(model)), recipe, data, tmp_path)
    found = train(attrs.evolve(job, options={"batchnorm": "frozen"} if by_option else {}))
    assert np.array_equal(found["bn/mean"], weights()["bn/mean"])
    assert np.array_equal(found["bn/variance"], weights()["bn/variance"])
    assert not np.array_equal(found["bn/shift"], weights()["bn/shift"])


def test_constant_statistics_are_never_touched() -> None:
    """Unbound statistics exist in no native file: such a BatchNorm runs as in inference."""
    program = Program(net(), ["y"], variables=["bn/scale", "bn/shift"], statistics=1 - FRACTION)
    x = torch.from_numpy(batches()[:4])
    variables = {
        n: torch.from_numpy(a) for n, a in weights().items() if n in ("bn/scale", "bn/shift")
    }
    first = program.run({"x": x}, variables)["y"]
    second = program.run({"x": x}, variables)["y"]
    frozen = Program(net(), ["y"]).run({"x": x}, {})["y"]
    assert torch.equal(first, second)
    assert torch.allclose(first, frozen)
