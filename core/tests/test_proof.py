from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import ProofError
from prunus.proof import compare, prove, relative_error


def error(first, second):
    return relative_error(np.array(first, np.float32), np.array(second, np.float32))


def test_errors_are_relative_to_the_largest_number():
    assert error([10, 0], [10, 1]) == pytest.approx(0.1)
    assert error([1, 2], [1, 2]) == 0
    assert error([0, 0], [0, 0.5]) == 0.5  # nothing to be relative to
    assert error([], []) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [([1, 2], [1, np.nan]), ([1, np.nan], [1, 2]), ([np.nan], [np.nan]), ([1], [np.inf]), ([1], [1, 1])],
)  # fmt: skip
def test_what_cannot_be_compared_is_infinitely_wrong(first, second):
    assert error(first, second) == np.inf


def changed(lenet, amount):
    return lenet.with_weights({"ip2/bias": lenet.weights()["ip2/bias"] + np.float32(amount)}).model


def test_samples_of_both_kinds_are_compared(lenet, draw):
    inputs = {"data": draw.standard_normal((5, 1, 12, 12)).astype(np.float32)}
    found = compare(lenet.model, changed(lenet, 0.01), inputs, seeds=(0, 1, 2))
    assert found.samples == 3 * 2 + 5
    assert found.output == "ip2"
    assert 0 < found.error < 1
    assert compare(lenet.model, lenet.model).error == 0


def test_real_inputs_count_where_random_ones_see_nothing(lenet, draw):
    """A unit that only bright images reach is dead on noise."""
    weight, bias = np.zeros((8, 1, 3, 3), np.float32), np.full(8, -100, np.float32)
    weight[:, 0, 1, 1] = 1
    network = lenet.with_weights({"conv1/weight": weight, "conv1/bias": bias})
    other = network.with_weights({"conv2/weight": -network.weights()["conv2/weight"]})
    assert compare(network.model, other.model).error == 0
    bright = {"data": np.full((1, 1, 12, 12), 200, np.float32)}
    assert compare(network.model, other.model, bright).error > 1e-3


def test_a_proof_that_fails(lenet):
    assert prove(lenet.model, changed(lenet, 1e-7)).error <= 1e-5
    with pytest.raises(ProofError) as caught:
        prove(lenet.model, changed(lenet, 0.01))
    assert str(caught.value).startswith(
        "the compact network differs from the masked one at output 'ip2': relative error "
    )
    assert str(caught.value).endswith(", allowed 1e-05; nothing was written")


def test_numbers_that_are_none_do_not_hide_behind_good_ones(build):
    def two(scale):
        nodes = [("Sqrt", ["x"], ["first"], {}), ("Mul", ["x", "k"], ["last"], {})]
        weights = {"k": np.full(3, scale, np.float32)}
        return build(nodes, weights, {"x": (3,)}, {"first": (3,), "last": (3,)}).model

    assert compare(two(1), two(1)).error == np.inf  # the root of a negative number
