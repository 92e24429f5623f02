from __future__ import annotations

import struct

import numpy as np
import pytest

from prunus.errors import ModelError, UsageError
from prunus.network import Compact, Destination, Source
from prunus_darknet.read import load
from prunus_darknet.write import write

CONV = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"


def bits_of(value: float) -> int:
    """A float32 below zero by its bits: processes may have switched subnormal numbers off."""
    if -value < 2.0**-126:
        return 1 << 31 | round(-value * 2.0**149)
    return int.from_bytes(struct.pack("<f", value), "little")


def message(source: Source) -> str:
    with pytest.raises(ModelError) as caught:
        load(source)
    return str(caught.value)


@pytest.fixture
def two(make_files):
    return make_files(CONV * 2)


def test_names_views_and_bindings(two):
    network = load(Source(*two))
    assert list(network.bindings) == [
        f"{index}:convolutional/{role}"
        for index in (0, 1)
        for role in ("weight", "scale", "shift", "mean", "variance")
    ]
    binding = network.bindings["1:convolutional/mean"]
    assert (binding.layer, binding.role, binding.index) == ("1:convolutional", "mean", 2)
    assert network.weights()["1:convolutional/weight"].shape == (4, 4, 3, 3)


def test_no_weights_given(two):
    model, _ = two
    expected = f"{model}: a Darknet cfg holds no weights; give the weights file with --weights"
    assert message(Source(model)) == expected


def test_structure_only(two):
    model, _ = two
    network = load(Source(model, None, {"structure_only": "1"}))
    assert network.notes[0] == "no weights were read: all weights are zero"
    with pytest.raises(UsageError, match="option structure_only=yes: give 0 or 1"):
        load(Source(model, None, {"structure_only": "yes"}))


def test_missing_weights(two, tmp_path):
    model, _ = two
    expected = f"{tmp_path}/no.weights: cannot read the weights file (No such file or directory)"
    assert message(Source(model, tmp_path / "no.weights")) == expected


@pytest.mark.parametrize("size", [0, 3, 11, 14, 19])
def test_shorter_than_its_header(two, size):
    model, weights = two
    weights.write_bytes(weights.read_bytes()[:size])
    assert message(Source(model, weights)) == (
        f"{weights}: {size} bytes are too few for a Darknet weights file; its header alone has 16"
    )


def test_too_short_names_the_layer_and_what_is_missing(two):
    model, weights = two
    weights.write_bytes(weights.read_bytes()[:-40])
    assert message(Source(model, weights)) == (
        f"{weights}: too short for net.cfg: ends in layer 1:convolutional after 134 of 144 values "
        "of its weight; the cfg needs 1156 bytes, the file has 1116; "
        "give the cfg these weights were trained with"
    )


@pytest.mark.parametrize("extra", [1, 4, 400])
def test_too_long_names_the_last_layer(two, extra):
    model, weights = two
    weights.write_bytes(weights.read_bytes() + bytes(extra))
    assert message(Source(model, weights)) == (
        f"{weights}: too long for net.cfg: {extra} bytes are left after layer 1:convolutional; "
        f"the cfg needs 1156 bytes, the file has {1156 + extra}; "
        "give the cfg these weights were trained with"
    )


def test_weights_of_a_wider_network_show_in_the_layer_that_differs(make_files):
    model, weights = make_files(CONV + CONV.replace("filters=4", "filters=40"))
    wide = weights.read_bytes()
    model.write_text(model.read_text().replace("filters=40", "filters=24"))
    weights.write_bytes(wide)
    found = message(Source(model, weights))
    assert "too long for net.cfg" in found
    assert "(variances first look wrong in layer 1:convolutional)" in found


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(two, value):
    model, weights = two
    values = np.fromfile(weights, np.float32)
    values[5 + 16 + 7] = value
    values.tofile(weights)
    assert message(Source(model, weights)) == (
        f"{weights}: layer 0:convolutional: weight holds NaN or infinite values, first at "
        "position 7; take an earlier snapshot"
    )


def test_large_but_finite_values_pass(two):
    model, weights = two
    values = np.fromfile(weights, np.float32)
    values[5 + 16 + 7] = 3e38
    values.tofile(weights)
    assert load(Source(model, weights)).weights()["0:convolutional/weight"].max() > 1e38


def test_negative_variance(two):
    model, weights = two
    values = np.fromfile(weights, np.float32)
    values[5 + 12 + 2] = -0.5
    values.tofile(weights)
    assert message(Source(model, weights)) == (
        f"{weights}: layer 0:convolutional: variance is negative at position 2; "
        "the weights do not belong to this cfg or are damaged"
    )


@pytest.mark.parametrize(
    ("normalization", "value", "fits"),
    [
        ("pjreddie", -7e-44, True),
        ("pjreddie", -1e-30, False),
        ("alexeyab", -7e-44, True),
        ("alexeyab", -5e-6, True),
        ("alexeyab", -2e-5, False),
        ("opencv", -5e-7, True),
        ("opencv", -5e-6, False),
    ],
)
def test_variances_just_below_zero_are_judged_as_the_engine_does(two, normalization, value, fits):
    """What each engine makes of them: test_darknet_layers_real and test_darknet_alexeyab."""
    model, weights = two
    values = np.fromfile(weights, np.float32)
    values.view(np.uint32)[5 + 12 + 2] = bits_of(value)
    values.tofile(weights)
    source = Source(model, weights, {"normalization": normalization})
    if not fits:
        assert "variance is negative at position 2" in message(source)
        return
    network = load(source)
    assert network.notes[0] == (
        f"{weights}: 1 variances are just below 0, first in layer 0:convolutional; such channels "
        "are dead, and Darknet computes with them all the same"
    )
    compact = write(network, Compact(network.model, {}), Destination(model.parent, "compact"))
    assert compact.weights.read_bytes() == weights.read_bytes()
