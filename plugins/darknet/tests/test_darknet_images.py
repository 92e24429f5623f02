from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunus.errors import DataError
from prunus_darknet.datasets import augment, images
from prunus_darknet.testing.real_images import RealImages

SIZES = [(37, 61), (64, 20), (30, 30)]
TARGETS = [(32, 32), (50, 24)]


@pytest.fixture
def real(darknet: Path) -> RealImages:
    return RealImages(darknet)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((3, height, width), dtype=np.float32)


@pytest.mark.darknet
@pytest.mark.parametrize("size", [*SIZES, (5, 1), (1, 9)])
@pytest.mark.parametrize("target", [*TARGETS, (1, 7)])
def test_resize_equals_darknet(real: RealImages, size, target) -> None:
    image = picture(*size)
    expected = real.give("resize_image", image, *target)
    np.testing.assert_allclose(images.resize_image(image, *target), expected, rtol=0, atol=1e-5)


@pytest.mark.darknet
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", TARGETS)
def test_views_equal_darknet(real: RealImages, size, target) -> None:
    image = picture(*size)
    for name, mine in (
        ("letterbox_image", images.letterbox_image(image, *target)[0]),
        ("center_crop_image", images.center_crop_image(image, *target)),
    ):
        np.testing.assert_allclose(mine, real.give(name, image, *target), rtol=0, atol=1e-5)


@pytest.mark.darknet
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", TARGETS)
def test_min_crop_equals_resize_min_and_crop(real: RealImages, size, target) -> None:
    image = picture(*size)
    resized = real.give("resize_min", image, target[0])
    left, top = int((resized.shape[2] - target[0]) / 2), int((resized.shape[1] - target[1]) / 2)
    expected = real.give("crop_image", resized, left, top, *target)
    np.testing.assert_allclose(images.min_crop_image(image, *target), expected, rtol=0, atol=1e-5)


@pytest.mark.darknet
@pytest.mark.parametrize("size", SIZES)
def test_rotation_equals_darknet(real: RealImages, size) -> None:
    image = picture(*size)
    expected = real.give("rotate_crop_image", image, 0.3, 1.7, 32, 28, 2.5, -1.25, 1.2)
    mine = augment.rotate_crop_image(image, 0.3, 1.7, (32, 28), (2.5, -1.25), 1.2)
    np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-5)


@pytest.mark.darknet
@pytest.mark.parametrize("place", [(32, 20, 9, -3), (50, 60, -4, 2), (10, 10, 100, 100)])
def test_place_equals_darknet(real: RealImages, place) -> None:
    image, canvas = picture(37, 61), np.full((3, 40, 44), 0.5, np.float32)
    expected = real.place(image, *place, canvas)
    augment.place_image(image, *place, canvas)
    np.testing.assert_allclose(canvas, expected, rtol=0, atol=1e-5)


@pytest.mark.darknet
@pytest.mark.parametrize("change", [(0.07, 1.4, 0.7), (-0.3, 0.5, 1.6), (0.0, 1.0, 1.0)])
def test_distortion_equals_darknet(real: RealImages, change) -> None:
    image = picture(20, 21)
    image[:, 0] = 0  # black
    image[:, 1] = 0.3  # grey
    image[0, 2], image[1:, 2] = 1, 0  # red
    mine = augment.distort_image(image, *change)
    np.testing.assert_allclose(mine, real.distort(image, *change), rtol=0, atol=1e-5)


@pytest.mark.darknet
def test_loading_equals_darknet(real: RealImages, tmp_path: Path) -> None:
    for mode, channels in (("RGB", 3), ("RGBA", 4), ("L", 1)):
        pixels = (np.random.default_rng(1).random((9, 13, channels)) * 255).astype(np.uint8)
        path = tmp_path / f"{mode}.png"
        Image.fromarray(pixels if channels > 1 else pixels[..., 0], mode).save(path)
        mine = images.load_image(path, 3, "x")
        np.testing.assert_allclose(mine, real.load(path), rtol=0, atol=1e-7)


def test_place_of_a_letterboxed_image() -> None:
    canvas, place = images.letterbox_image(picture(20, 40), 32, 32)
    assert place == (0.0, 0.25, 1.0, 0.5)
    assert (canvas[:, :8] == 0.5).all()
    assert not (canvas[:, 8:24] == 0.5).all()


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no image")
    missing = tmp_path / "missing.jpg"
    with pytest.raises(DataError) as caught:
        images.load_image(missing, 3, "train.txt:2")
    assert str(caught.value) == f"train.txt:2: image {missing} not found"
    with pytest.raises(DataError) as caught:
        images.load_image(broken, 3, "train.txt:3")
    assert str(caught.value).startswith(f"train.txt:3: {broken}: not a readable image (")
    with pytest.raises(DataError) as caught:
        images.load_image(broken, 4, "train.txt:3")
    assert str(caught.value) == "the network reads 4 channels; images have 3, or 1 if grey"


def test_every_cut_of_a_png_is_reported_in_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray((picture(8, 8)[0] * 255).astype(np.uint8)).save(whole)
    data, path = whole.read_bytes(), tmp_path / "cut.png"
    for length in range(0, len(data) // 2, 3):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"x: .*cut\.png: not a readable image \("):
            images.load_image(path, 3, "x")


def test_augmentation_is_a_pure_function_of_the_generator() -> None:
    chosen = augment.Augmentation(7, 0.75, 1.5, 1.5, 0.1, 32, 48, jitter=0.3)
    image = picture(40, 30)
    for sample in (augment.classifier_sample, augment.detector_sample):
        drawn = [sample(image, (32, 28), chosen, np.random.default_rng(s)) for s in (1, 1, 2)]
        first, again, other = (d[0] if isinstance(d, tuple) else d for d in drawn)
        assert first.shape == (3, 28, 32)
        assert first.dtype == np.float32
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_a_detector_sample_says_where_the_image_lies() -> None:
    """A red dot in a black image is found where the place says, mirrored or not."""
    image = np.zeros((3, 60, 90), np.float32)
    image[0, 27:33, 60:66] = 1
    chosen = augment.Augmentation(jitter=0.3)
    flips = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        result, (left, top, width, height), flip = augment.detector_sample(
            image, (96, 96), chosen, rng
        )
        red = result[0] * (result[1] < 0.1)
        y, x = (float((red.sum(axis) * np.arange(96)).sum() / red.sum()) + 0.5 for axis in (1, 0))
        expected = left + width * 0.7
        flips.add(flip)
        assert x / 96 == pytest.approx(1 - expected if flip else expected, abs=0.02)
        assert y / 96 == pytest.approx(top + height * 0.5, abs=0.02)
    assert flips == {True, False}


def test_crossings_of_a_grid_are_single_places() -> None:
    image = picture(7, 5)
    x = np.array([-1.5, -0.25, 0, 1.75, 3.5, 4.5, 6], np.float32)
    y = np.array([-2, -0.5, 2.25, 6, 6.75, 8], np.float32)
    grid = images.bilinear_grid(image, x, y)
    np.testing.assert_allclose(grid, images.bilinear(image, x[None], y[:, None]), rtol=0, atol=1e-6)


def test_a_whole_turn_of_the_hue_falls_to_darknets_last_case() -> None:
    turn = np.array([[0, 0.5, 1]], np.float32)
    found = augment._rgb(turn, np.full_like(turn, 0.5), np.ones_like(turn))
    np.testing.assert_allclose(found[:, 0].T, [[1, 0.5, 0.5], [0.5, 1, 1], [1, 0.5, 1]])
