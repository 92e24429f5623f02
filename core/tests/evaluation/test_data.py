from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import DataError
from prunus.evaluation.data import ArrayDataset, open_data
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def network(channels, size):
    b = Builder(0)
    return as_network(b.model(b.conv(b.input(channels, size), 2)))


def channels_last(height, width, channels):
    """A network whose input is NHWC, as TensorFlow's own graphs have it."""
    net = network(3, 8)
    net.model.graph.inputs[0].shape = ir.Shape(["N", height, width, channels])
    return net


def opened(tmp_path, net, settings="", **arrays):
    np.savez(tmp_path / "d.npz", **arrays)
    return open_data(f"{tmp_path / 'd.npz'}{settings}", net)


def read(dataset, *positions):
    return dataset.read(np.array(positions, np.int64), None)


def test_samples_labels_and_transformation(tmp_path):
    samples = np.arange(4 * 3 * 64, dtype=np.uint8).reshape(4, 3, 8, 8)
    data = opened(tmp_path, network(3, 8), ":mean=1/2/3,scale=0.5", x=samples, y=[5, 6, 7, 8])
    assert len(data) == 4
    batch = read(data, 3, 0)
    assert batch.labels.tolist() == [8, 5]
    assert batch.inputs["data"].dtype == np.float32
    wanted = (samples[[3, 0]].astype(float) - np.array([1, 2, 3])[:, None, None]) * 0.5
    assert np.array_equal(batch.inputs["data"], wanted)


def test_channels_are_moved_to_where_the_network_wants_them(tmp_path, draw):
    samples = draw.random((2, 8, 6, 3)).astype(np.float32)
    net = network(3, 8)
    net.model.graph.inputs[0].shape = ir.Shape(["N", 3, 8, 6])
    moved = read(opened(tmp_path, net, x=samples), 1).inputs["data"]
    assert np.array_equal(moved[0], samples[1].transpose(2, 0, 1))
    back = read(opened(tmp_path, channels_last(8, 6, 3), x=samples.transpose(0, 3, 1, 2)), 0)
    assert np.array_equal(back.inputs["data"][0], samples[0])


def test_an_ambiguous_shape_is_read_as_told(tmp_path, draw):
    samples = draw.random((1, 3, 3, 3)).astype(np.float32)
    net = network(3, 3)
    assert np.array_equal(read(opened(tmp_path, net, x=samples), 0).inputs["data"], samples)
    told = read(opened(tmp_path, net, ":layout=nhwc", x=samples), 0).inputs["data"]
    assert np.array_equal(told, samples.transpose(0, 3, 1, 2))


def test_grey_images_need_no_channel_axis(tmp_path, draw):
    samples = draw.random((2, 8, 8))
    first = read(opened(tmp_path, network(1, 8), x=samples), 0).inputs["data"]
    last = read(opened(tmp_path, channels_last(8, 8, 1), x=samples), 0).inputs["data"]
    assert (first.shape, last.shape) == ((1, 1, 8, 8), (1, 8, 8, 1))


def test_blue_first(tmp_path, draw):
    samples = draw.random((2, 3, 8, 8)).astype(np.float32)
    turned = read(opened(tmp_path, network(3, 8), ":channels=bgr", x=samples), 0).inputs["data"]
    assert np.array_equal(turned[0], samples[0, ::-1])
    with pytest.raises(DataError) as caught:
        opened(tmp_path, network(1, 8), ":channels=bgr", x=draw.random((2, 1, 8, 8)))
    assert str(caught.value).endswith(
        "d.npz: channels=bgr, but input 'data' of shape (1, 8, 8) has no three channels"
    )


GOOD = np.zeros((2, 1, 8, 8))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.float32(3)}, "'x' must hold numbers along a first axis of samples"),
        ({"x": np.array(["a", "b"])}, "'x' must hold numbers along a first axis of samples"),
        ({"x": np.full((2, 1, 8, 8), np.nan)}, "'x' holds NaN or infinite numbers"),
        ({"x": GOOD, "y": ["cat", "dog"]}, "'y' must hold numbers along a first axis of samples"),
        ({"x": GOOD, "y": [0.5, 1]}, "labels 'y' must be whole numbers, one class a sample"),
        ({"x": GOOD, "y": np.eye(2)}, "2 samples but 4 labels"),
    ],
)
def test_arrays_that_are_no_samples(tmp_path, arrays, message):
    with pytest.raises(DataError) as caught:
        opened(tmp_path, network(1, 8), **arrays)
    assert str(caught.value) == f"{tmp_path / 'd.npz'}: {message}"


def test_whole_numbers_stored_as_floats_are_classes(tmp_path):
    assert read(opened(tmp_path, network(1, 8), x=GOOD, y=[1.0, 3.0]), 0, 1).labels.tolist() == [
        1,
        3,
    ]


def test_a_bare_array(tmp_path):
    np.save(tmp_path / "d.npy", GOOD)
    with pytest.raises(DataError) as caught:
        open_data(str(tmp_path / "d.npy"), network(1, 8))
    assert str(caught.value) == (
        f"{tmp_path / 'd.npy'}: one array without a name; save it as 'x' with numpy.savez"
    )


def test_nothing_there(tmp_path):
    with pytest.raises(DataError) as caught:
        open_data("no.npz", network(1, 8))
    assert str(caught.value) == (
        "no.npz: no such file or directory; --data takes .npz, an image folder or a list file, and "
        "settings behind it as FILE:scale=0.004,mean=1,2,3"
    )


def test_the_digest_tells_data_sets_apart():
    base = ArrayDataset("data", np.zeros((2, 3)), np.array([0, 1]))
    others = (
        attrs.evolve(base, input="other"),
        attrs.evolve(base, samples=np.ones((2, 3))),
        attrs.evolve(base, samples=np.zeros((3, 2))),
        attrs.evolve(base, samples=np.zeros((2, 3), np.float32)),
        attrs.evolve(base, labels=np.array([1, 0])),
        attrs.evolve(base, labels=None),
        attrs.evolve(base, mean=np.ones(1, np.float32)),
        attrs.evolve(base, scale=np.zeros(1, np.float32)),
    )
    digests = [data.digest() for data in (base, *others)]
    assert len(set(digests)) == len(digests)
    assert ArrayDataset("data", np.zeros((2, 3)), np.array([0, 1])).digest() == digests[0]


def test_samples_under_the_name_of_the_input(tmp_path):
    found = read(opened(tmp_path, network(1, 8), data=GOOD, y=[1, 3]), 0, 1)
    assert found.labels.tolist() == [1, 3]
    assert np.array_equal(found.inputs["data"], GOOD)


def two_inputs(build):
    return build(
        [("Relu", ["a"], ["y1"], {}), ("Relu", ["b"], ["y2"], {})],
        {"w": np.ones(1)},
        {"a": (3, 2, 2), "b": (5,)},
        {"y1": (3, 2, 2), "y2": (5,)},
    )


def test_a_network_of_several_inputs_takes_an_array_named_as_each(tmp_path, draw, build):
    a, b = draw.random((4, 2, 2, 3)), draw.random((4, 5))
    data = opened(tmp_path, two_inputs(build), a=a, b=b, y=[0, 1, 2, 3])
    batch = read(data, 2, 1)
    assert batch.labels.tolist() == [2, 1]
    assert np.allclose(batch.inputs["a"], a.transpose(0, 3, 1, 2)[[2, 1]])
    assert np.allclose(batch.inputs["b"], b[[2, 1]])
    assert data.digest() != opened(tmp_path, two_inputs(build), a=a, b=b + 1).digest()


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        ({"a": 4, "x": 4}, "", "no array 'b' (samples), found ['a', 'x']"),
        ({"a": 4, "b": 3}, "", "arrays a, b differ in number of samples"),
        (
            {"a": 4, "b": 4},
            ":scale=2",
            "mean, scale, channels and layout are for networks of one input; this one has a, b",
        ),
    ],
)
def test_several_inputs_that_do_not_fit(arrays, settings, message, tmp_path, build):
    shapes = {"a": (3, 2, 2), "b": (5,), "x": (5,)}
    stored = {name: np.zeros((count, *shapes[name])) for name, count in arrays.items()}
    with pytest.raises(DataError) as caught:
        opened(tmp_path, two_inputs(build), settings, **stored)
    assert str(caught.value) == f"{tmp_path / 'd.npz'}: {message}"


def test_images_feed_one_input(tmp_path, build):
    with pytest.raises(DataError) as caught:
        open_data(str(tmp_path), two_inputs(build))
    assert str(caught.value) == (
        f"{tmp_path}: images feed one input, the network has a, b: give an .npz file with an array "
        "for each"
    )
