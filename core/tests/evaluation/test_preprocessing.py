"""Images of the user's go through the network's own preprocessing; what the user says wins."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.errors import DataError
from prunus.evaluation.data import open_data
from prunus.task import Preprocessing, Task
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder

Image = pytest.importorskip("PIL.Image")

MEAN = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)


def own():
    """Nearest neighbour of the upper left corner, blue first, (x - (1, 2, 3)) / 2."""
    half = np.full((1, 1, 1), 0.5, np.float32)
    return Preprocessing(lambda image: image[:, :4, :4], MEAN, half, "bgr", "corner")


def network(channels=3, preprocessing=own):
    b = Builder(0)
    net = as_network(b.model(b.conv(b.input(channels, 4), 2)))
    return attrs.evolve(net, task=Task(preprocessing=preprocessing))


@pytest.fixture
def pixels(draw):
    return draw.integers(0, 256, (5, 3, 6, 7), np.uint8)


@pytest.fixture
def spec(tmp_path, pixels):
    for number, image in enumerate(pixels):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "list.txt").write_text("".join(f"{n}.png\n" for n in range(5)))
    np.savez(tmp_path / "first.npz", x=pixels)
    np.savez(tmp_path / "last.npz", x=pixels.transpose(0, 2, 3, 1), y=np.arange(5))
    np.savez(tmp_path / "fits.npz", x=pixels[:, :, :4, :4])
    return tmp_path


ALL = ("", "list.txt", "first.npz", "last.npz", "fits.npz")


def read(text, net=None):
    data = open_data(str(text), network() if net is None else net)
    return data.read(np.arange(len(data)), None).inputs["data"]


def wanted(pixels, mean=MEAN, scale=0.5, turn=True):
    corner = pixels[:, :, :4, :4].astype(np.float32)
    return ((corner[:, ::-1] if turn else corner) - mean) * np.float32(scale)


@pytest.mark.parametrize("name", ALL)
def test_the_networks_own_preprocessing(spec, pixels, name):
    assert np.array_equal(read(spec / name), wanted(pixels))


@pytest.mark.parametrize("name", ALL)
def test_what_the_user_says_wins_part_by_part(spec, pixels, name):
    place = f"{spec / name}"
    assert np.array_equal(read(f"{place}:scale=3"), wanted(pixels, scale=3))
    assert np.array_equal(read(f"{place}:mean=7,channels=rgb"), wanted(pixels, 7, turn=False))


def test_floats_are_the_users_own(spec, pixels):
    corner = pixels[:, :, :4, :4].astype(np.float32)
    np.savez(spec / "floats.npz", x=corner)
    assert np.array_equal(read(spec / "floats.npz"), corner)
    assert np.array_equal(read(f"{spec / 'floats.npz'}:scale=2"), corner * 2)


def test_bytes_that_are_no_images_are_the_users_own(spec):
    b = Builder(0)
    wide = as_network(b.model(b.conv(b.input(4, 4), 2)))
    wide = attrs.evolve(wide, task=Task(preprocessing=own))
    rows = np.ones((2, 4, 4, 4), np.uint8)
    np.savez(spec / "wide.npz", x=rows)
    assert np.array_equal(read(spec / "wide.npz", wide), rows)


def test_without_an_own_one_bytes_stay_as_they_are(spec, pixels):
    plain = network(preprocessing=None)
    assert np.array_equal(read(spec / "fits.npz", plain), pixels[:, :, :4, :4])
    with pytest.raises(DataError, match=r"samples of shape \(3, 6, 7\) do not fit input 'data'"):
        read(spec / "first.npz", plain)


def test_grey(spec, pixels):
    zero, one = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
    grey = network(1, lambda: Preprocessing(lambda i: i[:, :4, :4], zero, one / 2, "bgr", "grey"))
    np.savez(spec / "grey.npz", x=pixels[:, 0])
    assert np.array_equal(read(spec / "grey.npz", grey), pixels[:, :1, :4, :4] * np.float32(0.5))


def test_labels_and_digests(spec):
    data = open_data(str(spec / "last.npz"), network())
    assert data.read(np.array([3, 1]), None).labels.tolist() == [3, 1]
    digests = {
        open_data(f"{spec / 'last.npz'}{more}", network()).digest()
        for more in ("", ":scale=3", ":mean=1", ":channels=rgb")
    }
    assert len(digests) == 4


def test_numbers_that_do_not_fit_the_channels(spec):
    with pytest.raises(DataError) as found:
        read(f"{spec}:mean=1/2")
    assert str(found.value) == "2 values for the 3 channels of input 'data'"
