"""How stored samples become network inputs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir

from prunus.errors import DataError
from prunus.evaluation.data_spec import split_spec
from prunus.graph.inputs import sample_shape
from prunus.task import Array

_BETWEEN = re.compile(r",(?=[a-z_]*=)|,(?=[a-z_])")
"""Commas before the next setting; others separate numbers."""

_LARGEST = float(np.finfo(np.float32).max)


@attrs.frozen
class Transform:
    """How stored samples become network inputs, as far as a data specification says it.

    Attributes:
        mean, scale: ``(x - mean) * scale``, one number or one a channel.
        channels: ``rgb`` or ``bgr`` order wanted by the network.
        layout: ``nchw`` or ``nhwc`` of stored arrays; ``None`` to tell by shape.
    """

    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    channels: str | None = None
    layout: str | None = None

    @property
    def says_values(self) -> bool:
        """Whether the user said how pixels become numbers."""
        return any(part is not None for part in (self.mean, self.scale, self.channels))


def parse_spec(spec: str) -> tuple[Path, Transform]:
    """Split ``file.npz:mean=123.7,116.3,103.5,scale=0.017,channels=bgr``.

    Numbers of several channels are separated by ``,`` or ``/``.

    Raises:
        DataError: an unknown key, a value that is no number, or an order nobody knows.
    """
    path, settings = split_spec(spec)
    values: dict[str, str] = {}
    for item in _BETWEEN.split(settings) if settings else ():
        key, _, value = item.partition("=")
        if key not in ("mean", "scale", "channels", "layout"):
            raise DataError(
                f"{spec}: unknown data setting '{key}'; use mean, scale, channels or layout"
            )
        values[key] = value
    for key, known in (("channels", ("rgb", "bgr")), ("layout", ("nchw", "nhwc"))):
        if values.get(key, known[0]) not in known:
            raise DataError(f"{spec}: {key} is {' or '.join(known)}, not '{values[key]}'")
    mean, scale = (_numbers(spec, values.get(key)) for key in ("mean", "scale"))
    return path, Transform(mean, scale, values.get("channels"), values.get("layout"))


def _numbers(spec: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(word) for word in re.split("[,/]", text))
    except ValueError:
        numbers = (math.nan,)
    if not all(abs(number) < _LARGEST for number in numbers):
        raise DataError(
            f"{spec}: mean and scale are numbers, one or one a channel, separated by ','"
        )
    return numbers


def per_channel(values: tuple[float, ...], value: ir.Value) -> Array:
    """Numbers of a transformation, broadcastable to the samples of a graph input.

    Raises:
        DataError: their number is neither one nor the number of channels.
    """
    array = np.array(values, np.float32)
    shape = sample_shape(value)
    if len(array) == 1:
        return array
    if len(array) == shape[0]:
        return array.reshape(-1, *(1,) * (len(shape) - 1))
    if len(array) == shape[-1]:
        return array
    raise DataError(
        f"mean or scale has {len(array)} values, input '{value.name}' of shape {shape} has "
        f"{shape[0]} channels; give one, or one a channel separated by ','"
    )


def image_input(path: Path, inputs: Sequence[ir.Value]) -> ir.Value:
    """The one input of a network.

    Raises:
        DataError: it has several.
    """
    if len(inputs) != 1:
        names = ", ".join(str(value.name) for value in inputs)
        raise DataError(
            f"{path}: images feed one input, the network has {names}: give an .npz file with an "
            "array for each"
        )
    return inputs[0]
