"""Darknet's training augmentation; random numbers come from the given generator only.

Format facts: ``load_data_detection`` and ``load_image_augment_paths`` in Darknet's
``src/data.c``; ``random_augment_args``, ``rotate_crop_image``, ``place_image``,
``random_distort_image`` and ``distort_image`` in ``src/image.c``.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from prunus_darknet.datasets.images import GREY, Array, bilinear, bilinear_grid, center_crop_image


@attrs.frozen
class Augmentation:
    """Strength of the augmentation, Darknet's names and defaults (``parse_net_options``).

    Attributes:
        angle: Largest rotation in degrees.
        aspect, saturation, exposure: Largest factor.
        hue: Largest shift of the hue, 1 for a full turn.
        low, high: Range of the shorter side before a classifier's crop, in pixels.
        center: A classifier is trained on the middle of the image.
        jitter: Largest change of a detector's image sides, relative.
        flip: Mirror half of the images.
    """

    angle: float = 0.0
    aspect: float = 1.0
    saturation: float = 1.0
    exposure: float = 1.0
    hue: float = 0.0
    low: int = 0
    high: int = 0
    center: bool = False
    jitter: float = 0.2
    flip: bool = True


def classifier_sample(
    image: Array, size: tuple[int, int], chosen: Augmentation, rng: np.random.Generator
) -> Array:
    """One training image of a classifier, ``(C, height, width)``.

    Args:
        image: ``(C, H, W)``.
        size: Width and height of the network input.
        chosen: Strength.
        rng: Source of everything random.
    """
    crop = center_crop_image(image, *size) if chosen.center else _turned(image, size, chosen, rng)
    if chosen.flip and rng.integers(2):
        crop = crop[:, :, ::-1]
    return distorted(crop, chosen, rng)


def detector_sample(
    image: Array, size: tuple[int, int], chosen: Augmentation, rng: np.random.Generator
) -> tuple[Array, tuple[float, ...], bool]:
    """One training image of a detector.

    Returns:
        ``(C, height, width)``; where the image lies, relative to the canvas (left, top,
        width, height); whether the result is mirrored.
    """
    width, height = size
    _, h, w = image.shape
    dw, dh = chosen.jitter * w, chosen.jitter * h
    aspect = (w + rng.uniform(-dw, dw)) / (h + rng.uniform(-dh, dh))
    new_w, new_h = (height * aspect, float(height)) if aspect < 1 else (width, width / aspect)
    dx, dy = _between(0, width - new_w, rng), _between(0, height - new_h, rng)
    canvas = np.full((len(image), height, width), GREY, np.float32)
    place_image(image, int(new_w), int(new_h), int(dx), int(dy), canvas)
    canvas = distorted(canvas, chosen, rng)
    flip = chosen.flip and bool(rng.integers(2))
    area = (dx / width, dy / height, new_w / width, new_h / height)
    return (canvas[:, :, ::-1] if flip else canvas), area, flip


def place_image(image: Array, width: int, height: int, dx: int, dy: int, canvas: Array) -> None:
    """Draw the image, resized, onto the canvas; what stands out is cut off."""
    x = np.arange(width, dtype=np.float32) / np.float32(width) * image.shape[2]
    y = np.arange(height, dtype=np.float32) / np.float32(height) * image.shape[1]
    rows = slice(max(0, -dy), max(0, min(height, canvas.shape[1] - dy)))
    columns = slice(max(0, -dx), max(0, min(width, canvas.shape[2] - dx)))
    drawn = bilinear_grid(image, x[columns], y[rows])
    top, left = dy + rows.start, dx + columns.start
    canvas[:, top : top + drawn.shape[1], left : left + drawn.shape[2]] = drawn


def rotate_crop_image(
    image: Array,
    angle: float,
    scale: float,
    size: tuple[int, int],
    shift: tuple[float, float],
    aspect: float,
) -> Array:
    """A turned and scaled window of the image; ``angle`` in radians, ``shift`` in its pixels."""
    width, height = size
    x = (np.arange(width) - width / 2 + shift[0])[None] / scale * aspect
    y = (np.arange(height) - height / 2 + shift[1])[:, None] / scale
    column = math.cos(angle) * x - math.sin(angle) * y + image.shape[2] / 2
    row = math.sin(angle) * x + math.cos(angle) * y + image.shape[1] / 2
    return bilinear(image, column.astype(np.float32), row.astype(np.float32))


def distorted(image: Array, chosen: Augmentation, rng: np.random.Generator) -> Array:
    """``random_distort_image``; grey images stay as they are."""
    hue = rng.uniform(-chosen.hue, chosen.hue)
    saturation, exposure = _factor(chosen.saturation, rng), _factor(chosen.exposure, rng)
    if len(image) != 3:
        return np.ascontiguousarray(image)
    return distort_image(image, hue, saturation, exposure)


def distort_image(image: Array, hue: float, saturation: float, exposure: float) -> Array:
    """Shift the hue, scale saturation and value of ``(3, h, w)``; clipped to [0, 1]."""
    value = image.max(0)
    delta = value - image.min(0)
    safe = np.where(delta > 0, delta, np.float32(1))
    red, green, blue = image
    sixth = np.where(
        red == value,
        (green - blue) / safe,
        np.where(green == value, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    turn = np.where(sixth < 0, sixth + 6, sixth) / 6 + np.float32(hue)
    turn = np.where(turn > 1, turn - 1, np.where(turn < 0, turn + 1, turn))
    positive: Array = np.where(value > 0, value, np.float32(1))
    share = delta / positive * np.float32(saturation)
    return np.clip(_rgb(turn, share, value * np.float32(exposure)), 0, 1).astype(np.float32)


def _rgb(turn: Array, share: Array, value: Array) -> Array:
    """Red, green and blue each sink from ``value`` by ``share`` along a trapezoid of the hue."""
    sixth = turn * 6
    sixth = np.where(sixth >= 6, sixth - 1, sixth)  # a whole turn falls to Darknet's last case
    sink = np.stack([2 - np.abs(sixth - 3), np.abs(sixth - 2) - 1, np.abs(sixth - 4) - 1])
    return np.asarray(value * (1 - share * np.clip(sink, 0, 1)))


def _turned(
    image: Array, size: tuple[int, int], chosen: Augmentation, rng: np.random.Generator
) -> Array:
    """``random_augment_image``: Darknet takes the width for the height's margin, too."""
    _, h, w = image.shape
    aspect = _factor(chosen.aspect, rng)
    side = int(rng.integers(chosen.low, max(chosen.low, chosen.high), endpoint=True))
    scale = side / max(1, min(h, int(w * aspect)))
    angle = math.radians(rng.uniform(-chosen.angle, chosen.angle))
    dx, dy = (w * scale / aspect - size[0]) / 2, (h * scale - size[0]) / 2
    shift = (_between(-dx, dx, rng), _between(-dy, dy, rng))
    return rotate_crop_image(image, angle, scale, size, shift, aspect)


def _factor(largest: float, rng: np.random.Generator) -> float:
    """``rand_scale``: between 1 and the factor, or its inverse."""
    scale = _between(1, largest, rng)
    return scale if rng.integers(2) else 1 / scale


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(min(low, high), max(low, high)))
