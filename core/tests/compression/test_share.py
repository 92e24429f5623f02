from __future__ import annotations

import importlib

import attrs
import numpy as np
import pytest

from prunus.compression.bits import bits_of, check_names
from prunus.compression.share import share
from prunus.descriptors import Sharing
from prunus.errors import ModelError, PluginError, UsageError
from prunus.hookspecs import hookimpl
from prunus.host import BUILT_IN, Host


class Given:
    """Shares the values it was made with."""

    def __init__(self, values):
        self.values = values
        self.asked = []

    @hookimpl
    def prunus_register(self):
        return (Sharing("given", "values of a test"),)

    @hookimpl
    def prunus_share(self, sharing, weight, values, count):
        self.asked.append((weight, values.size, count))
        return self.values


def shared(network, plugin, bits=2, exclude=()):
    built_in = [(importlib.import_module(name), "prunus") for name in BUILT_IN]
    host = Host([*built_in, (plugin, "test")])
    return share(host, network, network.model, bits=bits, sharing="given", exclude=tuple(exclude))


def test_weights_of_all_layers_and_nothing_else(lenet):
    plugin = Given(np.float32([-0.25, 0.25]))
    found = shared(lenet, plugin, {"conv": 3, "ip2": 2}, exclude=["conv2"])
    assert list(found) == ["conv1/weight", "ip1/weight", "ip2/weight"]
    assert plugin.asked == [
        ("conv1/weight", 72, 8),
        ("ip1/weight", 3840, 32),
        ("ip2/weight", 80, 4),
    ]
    weights = lenet.weights()["ip1/weight"]
    np.testing.assert_array_equal(found["ip1/weight"].weights(), np.where(weights > 0, 0.25, -0.25))


def test_zeros_stay_and_take_one_of_the_values(lenet):
    weights = lenet.weights()["ip1/weight"].copy()
    weights[::2] = 0
    plugin = Given(np.float32([-0.25, 0.25]))
    found = shared(lenet.with_weights({"ip1/weight": weights}), plugin)["ip1/weight"]
    assert ("ip1/weight", 1920, 3) in plugin.asked
    np.testing.assert_array_equal(found.weights() == 0, weights == 0)
    assert found.codebook.tolist() == [-0.25, 0, 0.25]


def test_few_values_are_left_as_they_are(lenet, draw):
    weights = draw.choice(np.float32([-0.1, 0, 0.1, 0.3]), (20, 192))
    plugin = Given(np.float32([1]))
    found = shared(lenet.with_weights({"ip1/weight": weights}), plugin)["ip1/weight"]
    assert "ip1/weight" not in {name for name, _, _ in plugin.asked}
    np.testing.assert_array_equal(found.weights(), weights)


def test_one_bit_with_zeros(lenet):
    weights = np.abs(lenet.weights()["ip1/weight"])
    weights[0] = 0
    found = shared(lenet.with_weights({"ip1/weight": weights}), Given(np.float32([0.5])), 1)
    assert found["ip1/weight"].codebook.tolist() == [0, 0.5]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.float32([1, 2, 3, 4, 5]), "ndarray of shape (5,) and type float32"),
        (np.float32([]), "ndarray of shape (0,) and type float32"),
        (np.int64([1]), "ndarray of shape (1,) and type int64"),
        (np.float32([[1]]), "ndarray of shape (1, 1) and type float32"),
        ("one", "str 'one'"),
        (np.float32([0, 1]), "a value that is zero or not finite"),
        (np.float32([np.nan]), "a value that is zero or not finite"),
        (np.float64([1e60]), "a value that is zero or not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_values_that_cannot_be_used(lenet, values, said):
    with pytest.raises(PluginError) as caught:
        shared(lenet, Given(values))
    assert str(caught.value) == (
        f"sharing 'given' of test gave no usable answer to prunus_share: {said} instead of 1 to 4 "
        "finite numbers other than zero for 'conv1/weight'"
    )


def test_weights_that_are_no_numbers(lenet):
    weights = lenet.weights()["conv2/weight"].copy()
    weights[0, 0, 0, 0] = np.nan
    with pytest.raises(ModelError) as caught:
        shared(lenet.with_weights({"conv2/weight": weights}), Given(np.float32([1])))
    assert str(caught.value) == "layer 'conv2': 'conv2/weight' holds weights that are not finite"


def test_whose_bits(lenet):
    network = attrs.evolve(lenet, aliases={"conv1": ("0",)})
    bits = {"0": 3, "fc": 4, "ip2": 2}
    assert bits_of(bits, network, "conv1", 4) == 3
    assert bits_of(bits, network, "conv2", 4) == 8
    assert bits_of(bits, network, "ip1", 2) == 4
    assert bits_of(bits, network, "ip2", 2) == 2
    assert bits_of(None, network, "ip1", 2) == 5
    assert bits_of(6, network, "ip1", 2) == 6


@pytest.mark.parametrize(
    ("bits", "exclude", "said"),
    [
        (0, (), "bits: 0: a whole number from 1 to 8"),
        ({"fc": 9}, (), "bits of 'fc': 9: a whole number from 1 to 8"),
        (
            {"ip3": 5},
            (),
            "bits of 'ip3': the network has no such layer; 'prunus stat' lists them, and 'conv' "
            "and 'fc' mean all of a kind",
        ),
        (None, ("x",), "exclude 'x': the network has no such layer; 'prunus stat' lists them"),
    ],
)
def test_names_and_numbers_that_are_wrong(lenet, bits, exclude, said):
    with pytest.raises(UsageError) as caught:
        check_names(bits, exclude, lenet)
    assert str(caught.value) == said
