from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import ProofError
from prunus.network import Compact
from prunus.proof import TOLERANCE, compare, prove

CONV = {"kernel_shape": [3, 3]}


def changed(lenet, amount):
    return lenet.with_weights({"ip2/bias": lenet.weights()["ip2/bias"] + np.float32(amount)}).model


def test_samples_of_both_kinds_are_compared(lenet, draw):
    inputs = {"data": draw.standard_normal((5, 1, 12, 12)).astype(np.float32)}
    found = compare(lenet.model, changed(lenet, 0.01), inputs)
    assert found.samples == 1 + 3 + 5
    assert found.batches == (1, 4, 3)
    assert found.output == "ip2"
    assert 0 < found.error < 1
    assert compare(lenet.model, lenet.model).error == 0


def test_real_inputs_count_where_random_ones_see_nothing(lenet):
    """A unit that only bright images reach is dead on noise."""
    weight, bias = np.zeros((8, 1, 3, 3), np.float32), np.full(8, -100, np.float32)
    weight[:, 0, 1, 1] = 1
    network = lenet.with_weights({"conv1/weight": weight, "conv1/bias": bias})
    other = network.with_weights({"conv2/weight": -network.weights()["conv2/weight"]})
    assert compare(network.model, other.model).error == 0
    bright = {"data": np.full((1, 1, 12, 12), 200, np.float32)}
    assert compare(network.model, other.model, bright).error > 1e-3


def test_numbers_that_are_none_do_not_hide_behind_good_ones(build):
    def two(scale):
        nodes = [
            ("Neg", ["x"], ["n"], {}),
            ("Mul", ["n", "x"], ["m"], {}),
            ("Sqrt", ["m"], ["first"], {}),
            ("Mul", ["x", "k"], ["last"], {}),
        ]
        weights = {"k": np.full(3, scale, np.float32)}
        return build(nodes, weights, {"x": (3,)}, {"first": (3,), "last": (3,)}).model

    found = compare(two(1), two(1))  # the root of a negative number
    assert (found.error, found.samples) == (np.inf, 0)
    real = {"x": np.zeros((4, 3), np.float32)}
    assert compare(two(1), two(1), real).error == 0
    assert compare(two(1), two(1), real).samples == 4  # the random ones prove nothing


def test_networks_that_take_roots_are_shown_positive_numbers(build):
    nodes = [("Sqrt", ["x"], ["r"], {}), ("Mul", ["r", "k"], ["y"], {})]

    def made(factor):
        weights = {"k": np.full(3, factor, np.float32)}
        return build(nodes, weights, {"x": (3,)}, {"y": (3,)}).model

    assert compare(made(1), made(1)).samples == 4
    assert compare(made(1), made(1)).error == 0
    assert compare(made(1), made(1.1)).error > 0.01


def test_numbers_that_only_the_mask_takes_away_are_not_excused(build, draw):
    weight = draw.uniform(1, 2, (3, 3)).astype(np.float32)
    nodes = [
        ("Abs", ["x"], ["a"], {}),
        ("MatMul", ["a", "fc/weight"], ["fc"], {}),
        ("Log", ["fc"], ["y"], {}),
    ]
    network = build(nodes, {"fc/weight": weight}, {"x": (3,)}, {"y": (3,)})
    masked = network.with_weights({"fc/weight": weight * np.float32([1, 0, 1])})
    assert compare(masked.model, masked.model, original=network.model).error == np.inf
    assert compare(masked.model, masked.model, original=network.model).samples == 4
    assert compare(masked.model, masked.model).samples == 0
    with pytest.raises(ProofError) as caught:
        prove(masked, Compact(masked.model, {}), original=network)
    assert str(caught.value) == (
        "the masked network gives no finite numbers, first at layer 'y'; exclude what feeds it "
        "(--exclude); nothing was written"
    )
    with pytest.raises(ProofError) as caught:
        prove(masked, Compact(masked.model, {}))
    assert str(caught.value) == (
        "the network gives no finite numbers for any input tried, first at layer 'y'; give inputs "
        "it is made for (--data); nothing was written"
    )


def test_a_batch_size_that_only_one_of_them_takes(build):
    """A target that holds the exported batch: the file's fault in one, pruning's in the other."""

    def flat(size):
        nodes = [
            ("Reshape", ["x", "target"], ["r"], {}),
            ("MatMul", ["r", "fc/weight"], ["y"], {}),
        ]
        weights = {"target": np.array([size, 8]), "fc/weight": np.ones((8, 2), np.float32)}
        return build(nodes, weights, {"x": (2, 4)}, {"y": (2,)}).model

    found = compare(flat(1), flat(1))
    assert (found.error, found.batches, found.refused, found.samples) == (0, (1,), (3,), 1)
    assert found.limit == (
        "the network holds its batch size: it runs for 1, not for 3; export it with a dynamic "
        "batch axis to use it for others"
    )
    assert compare(flat(-1), flat(-1)).limit is None
    with pytest.raises(ProofError) as caught:
        compare(flat(-1), flat(1))
    assert str(caught.value) == (
        "the compact network does not run for a batch of 3, and the masked one does; nothing was "
        "written"
    )


@pytest.fixture
def ending(build):
    """conv - relu - conv and an end; a channel of the last weight is off by ``wrong``."""

    def make(end, bias, wrong=0.0):
        draw = np.random.default_rng(1)
        weights = {
            "c1/weight": draw.normal(0, 0.05, (8, 3, 3, 3)).astype(np.float32),
            "c2/weight": draw.normal(0, 0.05, (4, 8, 3, 3)).astype(np.float32),
            "c2/bias": np.full(4, bias, np.float32),
        }
        weights["c2/weight"][:, 2] += np.float32(wrong)
        nodes = [
            ("Conv", ["x", "c1/weight"], ["c1"], CONV),
            ("Relu", ["c1"], ["r1"], {}),
            ("Conv", ["r1", "c2/weight", "c2/bias"], ["c2"], CONV),
            *end,
        ]
        return build(nodes, weights, {"x": (3, 8, 8)}, {"y": (4, 4, 4)})

    return make


ENDS = {
    "sigmoid": [("Sigmoid", ["c2"], ["y"], {})],
    "softmax": [("Softmax", ["c2"], ["y"], {"axis": 1})],
    "relu": [("Relu", ["c2"], ["y"], {})],
    "clip": [("HardSigmoid", ["c2"], ["y"], {})],
    "moved": [("Tanh", ["c2"], ["t"], {}), ("Transpose", ["t"], ["y"], {"perm": [0, 1, 3, 2]})],
    "plain": [("Identity", ["c2"], ["y"], {})],
}


def rounded(network):
    """The same network computed in another order: its weights differ by roundings."""
    draw = np.random.default_rng(3)
    return network.with_weights(
        {
            name: (array * (1 + 1e-6 * draw.uniform(-1, 1, array.shape))).astype(np.float32)
            for name, array in network.weights().items()
        }
    )


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("bias", [-16, 0, 16, -88])
def test_rounding_is_no_alarm_behind_what_saturates(ending, end, bias):
    """The sigmoid of -16 is 1e-7, and float32 knows it to 1e-7: that was an error of 0.75."""
    network = ending(ENDS[end], bias)
    assert compare(network.model, rounded(network).model).error <= TOLERANCE


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("bias", [-16, 0, 16, -88])
def test_a_wrong_channel_is_seen_behind_what_saturates(ending, end, bias):
    """Outputs of 1e-7 or of 1 - 1e-7 hide it; the numbers before them do not."""
    network, other = ending(ENDS[end], bias), ending(ENDS[end], bias, wrong=0.05)
    assert compare(network.model, other.model).error > 10 * TOLERANCE


def test_a_difference_of_large_numbers(build):
    """y = (x + 1000) - 1000 is known to 1e-4, and no better."""
    nodes = [("Add", ["x", "a/shift"], ["a"], {}), ("Sub", ["a", "b/shift"], ["y"], {})]

    def made(first, second):
        weights = {
            "a/shift": np.full(3, first, np.float32),
            "b/shift": np.full(3, second, np.float32),
        }
        return build(nodes, weights, {"x": (3,)}, {"y": (3,)}).model

    assert compare(made(1000, 1000), made(1000, 1000.00006)).error <= TOLERANCE
    assert compare(made(1000, 1000), made(1000, 1000.1)).error > TOLERANCE
    assert compare(made(1, 1), made(1, 1.0001)).error > TOLERANCE


def test_a_lost_sigmoid_is_seen(ending):
    network = ending(ENDS["sigmoid"], 0)
    assert compare(network.model, ending(ENDS["plain"], 0).model).error > 0.1


def test_a_proof_that_fails(lenet):
    assert prove(lenet, Compact(changed(lenet, 1e-7), {})).error <= 1e-5
    with pytest.raises(ProofError) as caught:
        prove(lenet, Compact(changed(lenet, 0.01), {}))
    assert str(caught.value).startswith(
        "the compact network differs from the masked one at output 'ip2', first at layer 'ip2': "
        "relative error "
    )
    assert str(caught.value).endswith(", allowed 1e-05; nothing was written")


def test_the_first_layer_that_differs_is_named(lenet):
    weight = lenet.weights()["conv2/weight"].copy()
    weight[3] *= -1
    with pytest.raises(ProofError, match="first at layer 'conv2'"):
        prove(lenet, Compact(lenet.with_weights({"conv2/weight": weight}).model, {}))
