"""Bounds of the least squares problems that criterion block-obs is made of."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.random_inputs import random_inputs
from prunus.grouping import find_groups
from prunus.methods import block_obs
from prunus.methods.consumer_fits import consumer_fits


@pytest.fixture
def flattened(build, draw):
    """4 channels of 32 x 32 that a fully connected layer reads: 4,096 features."""

    def weight(*shape):
        return draw.standard_normal(shape).astype(np.float32)

    return build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Flatten", ["a"], ["f"], {}),
            ("Gemm", ["f", "b/weight"], ["b"], {"transB": 1}),
        ],
        {"a/weight": weight(4, 2, 1, 1), "b/weight": weight(3, 4096)},
        {"x": (2, 32, 32)},
        {"b": (3,)},
    )


def test_consumers_too_wide_for_memory_are_left_out(flattened):
    """VGG-16's fc6 would take five gigabytes; its channels are ordered by magnitude instead."""
    (group,) = find_groups(flattened).groups
    samples = random_inputs(flattened.model, 40, 0)
    assert list(consumer_fits(flattened, [group], samples, 0)) == [(group, [])]
    found = block_obs.prunus_rank_all("block-obs", flattened, [group], samples, 0)
    scores = found[group.name]
    filters = np.abs(flattened.weights()["a/weight"]).sum((1, 2, 3))
    consumers = np.abs(flattened.weights()["b/weight"]).reshape(3, 4, -1).sum((0, 2))
    expected = (filters / filters.mean() + consumers / consumers.mean()) / 2
    assert np.allclose(scores, expected, atol=1e-5)


def test_a_consumer_is_a_function_of_its_windows(lenet):
    group = find_groups(lenet).groups[0]
    ((_, (fit,)),) = consumer_fits(lenet, [group], random_inputs(lenet.model, 40, 0), 0)
    channels, kernel = 8, 2 * 2
    assert fit.blocks.shape == (channels, kernel)
    assert fit.products.shape == (channels * kernel,) * 2
    stored = lenet.weights()["conv2/weight"]
    assert np.allclose(fit.weights, stored.reshape(len(stored), -1).T)
