"""The usual ways in which images become numbers, made of samples that may have gone another."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from prunus.task import Array

_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)
"""Of ImageNet's pixels, red first, on the scale 0 to 255."""

_TOLERANCE = 1.02
"""Resizing and rounding go a little past the ends of a range."""


@attrs.frozen(eq=False)
class Alternative:
    """Samples as they would be after another preprocessing.

    Attributes:
        words: Which one.
        setting: The same behind ``--data``, on pixels from 0 to 255; empty if it has none.
        turned: The order of three channels is turned, too.
        inputs: ``(N, ...)``, the layout of the given samples.
    """

    words: str
    setting: str
    turned: bool
    inputs: Array


def alternatives(samples: Array, axis: int, *, values: bool) -> Iterator[Alternative]:
    """Likely preprocessing of the samples.

    Args:
        samples: ``(N, ...)`` as they feed the network.
        axis: Of one or three channels.
        values: Other values, too; else the order of channels alone.
    """
    kinds = [("", "", samples), *(_values(samples, axis) if values else ())]
    for words, setting, inputs in kinds:
        if words:
            yield Alternative(words, setting, False, inputs)
        if samples.shape[axis] == 3:
            yield Alternative(words, setting, True, np.flip(inputs, axis))


def range_of(samples: Array) -> str:
    """The range of values, for messages."""
    return f"{samples.min():.3g} to {samples.max():.3g}"


def _values(samples: Array, axis: int) -> Iterator[tuple[str, str, Array]]:
    pixels = _pixels(samples, axis)
    own = tuple(number for number in range(samples.ndim) if number != axis)
    mean = samples.mean(own, keepdims=True)
    deviation: Array = np.maximum(samples.std(own, keepdims=True), 1e-6)
    if pixels is not None:
        yield "values 0 to 1", "scale=0.00392157", pixels / np.float32(255)
        yield "values 0 to 255", "scale=1", pixels
        yield "values -1 to 1", "mean=127.5,scale=0.00784314", pixels / 127.5 - 1
        yield "values -128 to 127", "mean=127.5", pixels - 127.5
        if samples.shape[axis] == 3:
            usual, spread = _along(_MEAN, samples, axis), _along(_DEVIATION, samples, axis)
            yield (
                "ImageNet's mean removed, divided by its deviation",
                "mean=123.675/116.28/103.53,scale=0.01712/0.01751/0.01743",
                (pixels - usual) / spread,
            )
            yield "ImageNet's mean removed", "mean=123.675/116.28/103.53", pixels - usual
    else:
        yield "values 255 times as large", "", samples * 255
        yield "values 255 times as small", "", samples / np.float32(255)
    yield "their mean removed", "", samples - mean
    yield (
        "their mean removed, divided by their deviation",
        "",
        (samples - mean) / deviation,
    )


def _pixels(samples: Array, axis: int) -> Array | None:
    """Pixels from 0 to 255 that samples may be made of; ``None`` where their range tells not."""
    low, high = float(samples.min()), float(samples.max())
    if low >= 0:
        return samples if high > _TOLERANCE else samples * 255
    if low >= -_TOLERANCE and high <= _TOLERANCE:
        return (samples + 1) * 127.5
    if low >= -128 and high > 10 and high <= 128:
        return samples + 127.5
    if samples.shape[axis] == 3 and low > -2.7 and high < 2.7:
        return samples * _along(_DEVIATION, samples, axis) + _along(_MEAN, samples, axis)
    return None


def _along(numbers: tuple[float, ...], samples: Array, axis: int) -> Array:
    shape = [1] * samples.ndim
    shape[axis] = -1
    array: Array = np.array(numbers, np.float32).reshape(shape)
    return array
