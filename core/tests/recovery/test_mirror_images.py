"""Mirror images of pictures are samples too, where the network takes them as such."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.recovery import mirror_images


def with_mirror_images(network, samples):
    return mirror_images.with_mirror_images(network, find_groups(network), samples)


@pytest.fixture
def pictures(draw):
    return {"x": draw.standard_normal((12, 3, 9, 10)).astype(np.float32)}


@pytest.fixture
def network(build, draw):
    """A convolution that sees left and right alike, or not, and perhaps a mean over all places."""

    def made(alike, pooled=False):
        weight = draw.standard_normal((4, 3, 1, 3)).astype(np.float32)
        weight = weight + weight[..., ::-1] if alike else weight
        attributes = {"pads": [0, 1, 0, 1]}
        nodes = [("Conv", ["x", "a/weight"], ["a"], attributes)]
        if pooled:
            nodes += [("Relu", ["a"], ["b"], {}), ("GlobalAveragePool", ["b"], ["y"], {})]
        shape = (4, 1, 1) if pooled else (4, 9, 10)
        output = {"y" if pooled else "a": shape}
        return build(nodes, {"a/weight": weight}, {"x": (3, 9, 10)}, output)

    return made


@pytest.mark.parametrize("pooled", [False, True])
def test_they_stand_behind_the_pictures_where_the_answers_are_alike(network, pictures, pooled):
    found = with_mirror_images(network(alike=True, pooled=pooled), pictures)["x"]
    assert found.shape == (24, 3, 9, 10)
    np.testing.assert_array_equal(found[:12], pictures["x"])
    np.testing.assert_array_equal(found[12:, :, :, 0], pictures["x"][..., -1])


def test_none_where_the_answers_differ(network, pictures):
    assert with_mirror_images(network(alike=False), pictures) is pictures


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_none_where_the_answers_are_no_numbers(network, pictures, answer):
    broken = network(alike=True)
    weight = np.full_like(broken.weights()["a/weight"], answer)
    assert with_mirror_images(broken.with_weights({"a/weight": weight}), pictures) is pictures


def test_none_where_the_answers_are_all_the_same(network, pictures):
    same = {"x": np.zeros_like(pictures["x"])}
    assert with_mirror_images(network(alike=True), same) is same


def test_their_number_is_bounded(network, pictures, monkeypatch):
    monkeypatch.setattr("prunus.recovery.mirror_images._MOST", 2 * pictures["x"][0].nbytes)
    found = with_mirror_images(network(alike=True), pictures)["x"]
    assert len(found) == 14
    np.testing.assert_array_equal(found[12:], pictures["x"][[0, 11], ..., ::-1])


@pytest.mark.parametrize("shape", [(6, 10), (6, 3, 40), (6, 16, 9, 9), (6, 1, 40, 1)])
def test_none_of_samples_that_are_no_pictures(network, shape):
    samples = {"x": np.zeros(shape, np.float32)}
    assert with_mirror_images(network(alike=True), samples) is samples


def test_pictures_with_channels_last_and_inputs_beside_them(build, pictures, draw):
    beside = draw.standard_normal((12, 2)).astype(np.float32)
    network = build(
        [
            ("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}),
            ("GlobalAveragePool", ["t"], ["p"], {}),
            ("Flatten", ["p"], ["f"], {}),
            ("Concat", ["f", "z"], ["y"], {"axis": 1}),
        ],
        {},
        {"x": (9, 10, 3), "z": (2,)},
        {"y": (5,)},
    )
    last = {"x": np.moveaxis(pictures["x"], 1, 3), "z": beside}
    found = with_mirror_images(network, last)
    np.testing.assert_array_equal(found["x"][12:], last["x"][:, :, ::-1])
    np.testing.assert_array_equal(found["z"], np.concatenate([beside, beside]))
