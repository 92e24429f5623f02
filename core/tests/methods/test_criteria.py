"""The formulas of the criteria, on groups small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import UsageError
from prunus.grouping import find_groups
from prunus.methods import bn_scale, fpgm, l1, l2, random_scores
from prunus.methods.members import relative


@pytest.fixture
def pair(build):
    """Two units: filters (3, 4) and (0, 5), read by a 1×1 convolution with (1, 1) and (2, 0)."""
    return build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("BatchNormalization", ["a", "n/scale", "n/shift", "n/mean", "n/variance"], ["n"], {}),
            ("Relu", ["n"], ["r"], {}),
            ("Conv", ["r", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": np.array([[3, -4], [0, 5]], np.float32).reshape(2, 2, 1, 1),
            "n/scale": np.array([-0.5, 1.5], np.float32),
            "n/shift": np.array([9, 9], np.float32),
            "n/mean": np.zeros(2, np.float32),
            "n/variance": np.ones(2, np.float32),
            "b/weight": np.array([[1, 2], [-1, 0]], np.float32).reshape(2, 2, 1, 1),
        },
        {"x": (2, 4, 4)},
        {"b": (2, 4, 4)},
    )


def rank(method, network, seed=0, group=0):
    found = find_groups(network).groups[group]
    return method.prunus_rank(method.__name__, network, found, None, seed)


def test_l1(pair):
    # filters 7 and 5, mean 6; consumers 2 and 2, mean 2
    assert rank(l1, pair) == pytest.approx([(7 / 6 + 1) / 2, (5 / 6 + 1) / 2])


def test_l2(pair):
    # filters 5 and 5; consumers sqrt(2) and 2, mean (sqrt(2) + 2) / 2
    middle = (2**0.5 + 2) / 2
    assert rank(l2, pair) == pytest.approx([(1 + 2**0.5 / middle) / 2, (1 + 2 / middle) / 2])


def test_bn_scale(pair):
    assert rank(bn_scale, pair) == pytest.approx([0.5, 1.5])


def test_bn_scale_says_where_there_is_none(lenet):
    with pytest.raises(UsageError) as caught:
        rank(bn_scale, lenet)
    assert str(caught.value) == (
        "criterion 'bn-scale' cannot score group 'conv1': no BatchNorm scale acts on its "
        "channels; use l1, l2 or fpgm, or exclude it"
    )


def test_fpgm_ranks_the_median_filter_lowest(build):
    """Three filters on a line: the middle one is replaceable, however long it is."""
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Conv", ["a", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": np.array([10, 12, 18], np.float32).reshape(3, 1, 1, 1),
            "b/weight": np.ones((2, 3, 1, 1), np.float32),
        },
        {"x": (1, 4, 4)},
        {"b": (2, 4, 4)},
    )
    # distances 2 + 8, 2 + 6, 8 + 6, mean 32 / 3; the consumers are equal and score 0
    expected = np.array([10, 8, 14]) / (32 / 3) / 2
    assert rank(fpgm, network) == pytest.approx(expected)


def test_every_member_counts(pair):
    """Making the consumer of a unit larger makes the unit matter more."""
    for method in (l1, l2):
        weight = pair.weights()["b/weight"].copy()
        weight[:, 0] *= 10
        changed = pair.with_weights({"b/weight": weight})
        assert rank(method, changed)[0] > rank(method, pair)[0]
        assert rank(method, changed).argmax() == 0


def test_a_large_member_does_not_drown_a_small_one(pair):
    """Scores do not change when a whole weight is scaled."""
    for method in (l1, l2, fpgm):
        before = rank(method, pair)
        weight = pair.weights()["b/weight"] * 1000
        assert rank(method, pair.with_weights({"b/weight": weight})) == pytest.approx(before)


def test_flattened_readers_count_with_all_their_places(lenet):
    """conv2 is read by 16 columns of ip1 a channel."""
    weight = lenet.weights()["ip1/weight"].copy()
    weight[:, 5 * 16 : 6 * 16] *= 100
    changed = lenet.with_weights({"ip1/weight": weight})
    assert rank(l1, changed, group=1).argmax() == 5


def test_random_differs_by_seed_and_group(lenet):
    first = rank(random_scores, lenet, seed=1)
    assert np.array_equal(first, rank(random_scores, lenet, seed=1))
    assert not np.array_equal(first, rank(random_scores, lenet, seed=2))
    assert not np.array_equal(first, rank(random_scores, lenet, seed=1, group=1)[: len(first)])
    assert 0 <= first.min() < first.max() < 1


def test_zero_weights_score_zero_not_nan(pair):
    zeros = {name: np.zeros_like(pair.weights()[name]) for name in ("a/weight", "b/weight")}
    for method in (l1, l2, fpgm):
        assert rank(method, pair.with_weights(zeros)).tolist() == [0, 0]
    assert relative(np.zeros(3)).tolist() == [0, 0, 0]
