"""The weights file: float32, little-endian, a layer's weights and then its biases, in line order.

A convolution's weights are ``(O, I, kH, kW)``, those of a dense layer ``(I, O)``.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from prunus.plugin import ModelError, read_regular
from prunus_toy.text import Layer


def stored_shapes(layer: Layer, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Role -> shape in the file, of a layer whose input has ``shape`` ``(C, H, W)`` or ``(C,)``."""
    if layer.kind == "conv":
        filters, size = layer.numbers["filters"], layer.numbers["size"]
        return {"weight": (filters, shape[0], size, size), "bias": (filters,)}
    if layer.kind == "dense":
        outputs = layer.numbers["outputs"]
        return {"weight": (math.prod(shape), outputs), "bias": (outputs,)}
    return {}


def read_weights(path: Path, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """The arrays of a weights file.

    Raises:
        ModelError: it is missing, or its size is another one than that of all ``shapes``.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check --weights") from error
    wanted = 4 * sum(math.prod(shape) for shape in shapes)
    if len(content) != wanted:
        raise ModelError(
            f"{path}: has {len(content)} bytes, the structure needs {wanted}; "
            "take the weights of this network, or copy them again"
        )
    numbers = np.frombuffer(content, "<f4")
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [
        part.reshape(shape) for part, shape in zip(np.split(numbers, ends), shapes, strict=True)
    ]


def turned(layer: Layer, role: str, array: np.ndarray) -> np.ndarray:
    """An array of the file in the layout of the graph, and the other way round."""
    return array.T if (layer.kind, role) == ("dense", "weight") else array
