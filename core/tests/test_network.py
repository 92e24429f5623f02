from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.network import Source
from prunus.testing import cut
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def test_other_weights_leave_the_network_as_it_was(lenet):
    before = lenet.weights()["ip2/bias"].copy()
    other = lenet.with_weights({"ip2/bias": before + 1})
    assert np.array_equal(lenet.weights()["ip2/bias"], before)
    assert np.array_equal(other.weights()["ip2/bias"], before + 1)
    first, second = (net.model.graph.initializers["ip1/weight"] for net in (lenet, other))
    assert first.const_value is second.const_value  # what stays is not copied
    assert other.bindings is lenet.bindings


def test_new_weights_are_rounded_to_what_the_file_holds(lenet):
    narrow = attrs.evolve(lenet, stored={"ip2/bias": "float16"})
    exact = np.array([0.1, 1 / 3, 2.0, 70000.0], np.float32)
    small = np.where(exact > 100, 3, exact)
    found = narrow.with_weights({"ip2/bias": small, "ip1/bias": lenet.weights()["ip1/bias"]})
    rounded = small.astype(np.float16).astype(np.float32)
    assert np.array_equal(found.weights()["ip2/bias"], rounded)
    assert np.array_equal(found.weights()["ip1/bias"], lenet.weights()["ip1/bias"])
    too_large = narrow.with_weights({"ip2/bias": exact})
    assert np.array_equal(too_large.weights()["ip2/bias"], exact)


def test_weights_of_another_shape(lenet):
    with pytest.raises(ValueError, match=r"^ip2/bias: shape \(5,\), the graph has \[4\]$"):
        lenet.with_weights({"ip2/bias": np.zeros(5, np.float32)})


def test_weights_of_the_compact_form_have_the_names_of_the_network(lenet):
    smaller = cut(lenet, 0.5).compact
    found = smaller.weights()
    assert set(found) == set(lenet.weights())
    assert found["ip2/weight"].shape == (4, lenet.weights()["ip2/weight"].shape[1] // 2)


def test_views_of_arrays_are_stored_whole(lenet):
    turned = lenet.weights()["ip2/weight"].T.copy().T
    found = lenet.with_weights({"ip2/weight": turned}).weights()["ip2/weight"]
    assert found.flags.c_contiguous
    assert np.array_equal(found, turned)


def test_a_source_without_options_has_none():
    assert Source(Path("x")).options == {}


def test_scalars_stay_scalars():
    b = Builder(0)
    half = b.weight("half/scale", np.array(0.5, np.float32))
    network = as_network(b.model(b.node("Mul", "half", [b.conv(b.input(), 2), half], (2, 16, 16))))
    changed = network.with_weights({"half/scale": np.array(0.25, np.float32)})
    assert changed.model.graph.initializers["half/scale"].const_value.numpy().shape == ()
