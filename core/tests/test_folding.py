from __future__ import annotations

import tracemalloc

import numpy as np
import onnx_ir as ir
import pytest

from prunus.evaluation.session import Session
from prunus.folding import channel_means, contribution, fold
from prunus.grouping import find_groups
from prunus.masking import mask


def outputs(network, inputs):
    return Session(network.model).run(inputs)["ip2"]


def test_constant_channels_fold_without_any_loss(lenet, draw):
    """A channel that is the same for every input can be removed exactly."""
    weight = lenet.weights()["ip1/weight"].copy()
    weight[::2] = 0  # rest at their bias
    constant = lenet.with_weights({"ip1/weight": weight})
    grouping = find_groups(constant)
    keep = {"ip1": np.arange(20) % 2 == 1}
    inputs = {"data": draw.standard_normal((16, 1, 12, 12)).astype(np.float32)}
    for samples in (inputs, None):
        pruned = mask(fold(constant, grouping, keep, samples), grouping, keep)
        assert np.allclose(outputs(pruned, inputs), outputs(constant, inputs), atol=1e-5)


@pytest.mark.parametrize("group", ["conv1", "conv2", "ip1"])
def test_folded_means_keep_the_mean_output_of_the_reader_nearly(lenet, draw, group):
    grouping = find_groups(lenet)
    inputs = {"data": draw.standard_normal((64, 1, 12, 12)).astype(np.float32)}
    keep = {group: np.arange(grouping.group(group).size) % 2 == 0}
    consumer = {"conv1": "conv2", "conv2": "ip1", "ip1": "ip2"}[group]

    def mean(network):
        array = Session(network.model, [consumer]).run(inputs)[consumer]
        return array.mean((0, *range(2, array.ndim)))

    whole = mean(lenet)
    folded = mean(mask(fold(lenet, grouping, keep, inputs), grouping, keep))
    bare = mean(mask(lenet, grouping, keep))
    # only nearly: a window at the rim of a convolution's input sees rim pixels more rarely
    assert np.abs(folded - whole).max() < 0.1 * np.abs(bare - whole).max()


def test_means_are_over_samples_and_whatever_else_shares_their_axis(tokens, draw):
    inputs = {"data": draw.standard_normal((70, 1, 12, 12)).astype(np.float32)}
    found = channel_means(tokens, find_groups(tokens), ("act", "act1"), inputs)
    seen = Session(tokens.model, ["act", "act1"]).run(inputs)
    assert seen["act1"].shape == (70 * 100, 12)
    assert np.allclose(found["act"], seen["act"].mean((0, 2, 3)), atol=1e-6)
    assert np.allclose(found["act1"], seen["act1"].mean(0), atol=1e-6)


def test_channels_that_are_no_numbers_do_not_spoil_biases(lenet, draw):
    """The root of random inputs is none; nothing is known of such channels, and nothing folded."""
    grouping = find_groups(lenet)
    keep = {"conv2": np.arange(12) % 2 == 0}
    inputs = {"data": draw.standard_normal((4, 1, 12, 12)).astype(np.float32)}
    inputs["data"][:, 0, 0, 0] = np.nan
    found = fold(lenet, grouping, keep, inputs).weights()["ip1/bias"]
    assert np.isfinite(found).all()


@pytest.mark.parametrize("transposed", [0, 1])
def test_the_contribution_of_a_large_layer_takes_no_copy_of_its_weight(draw, transposed):
    weight = draw.standard_normal((2000, 500)).astype(np.float32)
    constant = draw.standard_normal(500 if transposed else 2000)
    data, read = ir.Value(name="x"), ir.Value(name="w")
    node = ir.node("Gemm", [data, read], {"transB": transposed})
    tracemalloc.start()
    found = contribution(node, weight, constant)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    exact = weight.astype(np.float64)
    assert np.allclose(found, exact @ constant if transposed else constant @ exact, atol=1e-9)
    assert peak < weight.nbytes / 4
