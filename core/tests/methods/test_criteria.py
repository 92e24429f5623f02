"""The formulas of the criteria, on groups small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import UsageError
from prunus.granularity import granularity_of
from prunus.grouping import find_groups
from prunus.grouping.weights import find_weights
from prunus.methods import apoz, bn_scale, fpgm, hrank, l1, l2, lamp, random_scores, thinet
from prunus.methods.elimination import LeastSquares
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


def three_maps(build):
    """x of three channels, read as it is, behind a ReLU, by a 1×1 convolution."""
    return build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Relu", ["a"], ["r"], {}),
            ("Conv", ["r", "b/weight"], ["b"], {}),
        ],
        {
            "a/weight": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1),
            "b/weight": np.ones((2, 3, 1, 1), np.float32),
        },
        {"x": (3, 4, 4)},
        {"b": (2, 4, 4)},
    )


MAPS = np.zeros((2, 3, 4, 4), np.float32)
MAPS[:, 0] = 1  # rank 1, never zero
MAPS[:, 1] = np.eye(4)  # rank 4, a quarter not zero
MAPS[0, 2, 0] = [1, -2, 3, -4]  # rank 1 in one sample, 2 of 32 not zero behind the ReLU


def group_of(network):
    return find_groups(network).groups[0]


def test_apoz(build):
    network = three_maps(build)
    found = apoz.prunus_rank("apoz", network, group_of(network), {"x": MAPS})
    assert found.tolist() == [1, 1 / 4, 2 / 32]


def test_apoz_needs_zeros(build):
    network = three_maps(build)
    with pytest.raises(UsageError) as caught:
        apoz.prunus_rank("apoz", network, group_of(network), {"x": np.ones_like(MAPS)})
    assert str(caught.value) == (
        "criterion 'apoz' cannot score group 'a': none of its activations is ever zero; use "
        "block-obs, l1 or l2, or exclude it"
    )


def test_hrank(build):
    network = three_maps(build)
    found = hrank.prunus_rank("hrank", network, group_of(network), {"x": MAPS})
    assert found.tolist() == [1, 4, 1 / 2]


def test_flattened_maps_are_read_behind_the_flatten(lenet):
    """conv2 of LeNet is read by a fully connected layer."""
    group = find_groups(lenet).groups[1]
    draw = np.random.default_rng(0)
    samples = {"data": draw.standard_normal((3, *lenet.model.graph.inputs[0].shape[1:])).astype(np.float32)}  # fmt: skip
    found = hrank.prunus_rank("hrank", lenet, group, samples)
    assert found.tolist() == [1] * group.size


def test_thinet_takes_the_channel_that_costs_least_with_those_gone(draw):
    """Against brute force over the units that are left."""
    rows = draw.standard_normal((300, 8)) @ draw.standard_normal((8, 8))
    weights = draw.standard_normal((8, 3))
    blocks = draw.permutation(8).reshape(4, 2)
    centred = rows - rows.mean(0)
    problem = LeastSquares(centred.T @ centred / len(rows), weights, blocks)
    scores = thinet.greedy_losses([problem])
    whole = np.sum((centred @ weights) ** 2)
    gone: list[int] = []
    for unit in np.argsort(scores):
        losses = {}
        for other in set(range(4)) - set(gone):
            features = blocks[[*gone, other]].ravel()
            losses[other] = np.sum((centred[:, features] @ weights[features]) ** 2) / whole
        assert unit == min(losses, key=losses.__getitem__)
        gone.append(int(unit))


def test_thinet_averages_consumers(draw):
    products, blocks = np.eye(2), np.array([[0], [1]])
    first = LeastSquares(products, np.array([[3.0], [1.0]]), blocks)
    second = LeastSquares(products * 100, np.array([[1.0], [1.0]]), blocks)
    # shares 0.9 and 0.1, and twice 0.5: their means
    assert thinet.greedy_losses([first, second]) == pytest.approx([1.0, 0.3])


def test_lamp(build):
    network = build(
        [("Gemm", ["x", "a/weight"], ["y"], {"transB": 1})],
        {"a/weight": np.array([[1, -2], [2, 0]], np.float32)},
        {"x": (2,)},
        {"y": (2,)},
    )
    (group,) = find_weights(network, granularity_of("weight")).groups
    found = dict(zip(group.members[0].slices(network).ravel().tolist(), lamp.prunus_rank("lamp", network, group), strict=True))  # fmt: skip
    assert found == pytest.approx({1.0: 1 / 9, -2.0: 4 / 8, 2.0: 4 / 8, 0.0: 0.0})
