from __future__ import annotations

import numpy as np
import pytest

from prunus.proof.batches import batches_of, typical_scale

CONV = {"kernel_shape": [3, 3]}


@pytest.fixture
def normalised(build, draw):
    """conv - batch norm that has seen inputs ``size`` times as large as standard normal ones."""

    def make(size, channels=6):
        weight = draw.standard_normal((channels, 3, 3, 3)).astype(np.float32)
        variance = (weight**2).sum((1, 2, 3)) * np.float32(size) ** 2
        weights = {
            "c/weight": weight,
            "n/scale": np.ones(channels, np.float32),
            "n/shift": np.zeros(channels, np.float32),
            "n/mean": np.zeros(channels, np.float32),
            "n/variance": variance,
        }
        nodes = [
            ("Conv", ["x", "c/weight"], ["c"], CONV),
            ("BatchNormalization", ["c", "n/scale", "n/shift", "n/mean", "n/variance"], ["y"], {}),
        ]
        return build(nodes, weights, {"x": (3, 16, 16)}, {"y": (channels, 14, 14)})

    return make


@pytest.mark.parametrize("size", [0.1, 1, 50])
def test_random_inputs_are_as_large_as_the_network_knows_them(normalised, size):
    assert typical_scale(normalised(size).model) == pytest.approx(size, rel=0.2)
    drawn = batches_of(normalised(size).model, None)
    assert [len(batch["x"]) for batch in drawn] == [1, 3]
    assert drawn[1]["x"].std() == pytest.approx(size, rel=0.2)
    assert drawn[1]["x"].dtype == np.float32


def test_masked_channels_tell_nothing(normalised):
    network = normalised(50)
    weight = network.weights()["c/weight"].copy()
    weight[:5] = 0
    masked = network.with_weights({"c/weight": weight})
    assert typical_scale(masked.model) == pytest.approx(50, rel=0.3)
    dead = network.with_weights({"c/weight": 0 * weight})
    assert typical_scale(dead.model) == 1


def test_damaged_statistics_stay_in_bounds(normalised):
    assert typical_scale(normalised(1e12).model) == 1e3


def test_without_normalisation_inputs_are_standard_normal(lenet):
    assert typical_scale(lenet.model) == 1
    assert [len(batch["data"]) for batch in batches_of(lenet.model, None)] == [1, 3]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [1, 1]), (8, [1, 7])])
def test_given_inputs_come_first(lenet, draw, count, sizes):
    given = {"data": draw.standard_normal((count, 1, 12, 12)).astype(np.float32)}
    found = batches_of(lenet.model, given)
    assert [len(batch["data"]) for batch in found] == [*sizes, 1, 3]
    assert np.array_equal(np.concatenate([b["data"] for b in found[:-2]]), given["data"])
