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


def read_weights(
    path: Path, stored: list[tuple[str, str, tuple[int, ...]]]
) -> dict[tuple[str, str], np.ndarray]:
    """The arrays of a weights file, by layer and role; ``stored`` has layer, role and shape of each.

    Raises:
        ModelError: it is missing, of another size than ``stored``, or holds NaN or infinity.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check --weights") from error
    wanted = 4 * sum(math.prod(shape) for _, _, shape in stored)
    if len(content) != wanted:
        raise ModelError(
            f"{path}: has {len(content)} bytes, the structure needs {wanted}; "
            "take the weights of this network, or copy them again"
        )
    numbers, arrays, start = np.frombuffer(content, "<f4"), {}, 0
    for layer, role, shape in stored:
        end = start + math.prod(shape)
        arrays[layer, role] = numbers[start:end].reshape(shape)
        if not np.isfinite(arrays[layer, role]).all():
            raise ModelError(
                f"{path}: layer {layer!r}: the {role} holds NaN or infinite numbers; "
                "take weights of a training that did not diverge"
            )
        start = end
    return arrays


def turned(layer: Layer, role: str, array: np.ndarray) -> np.ndarray:
    """An array of the file in the layout of the graph, and the other way round."""
    return array.T if (layer.kind, role) == ("dense", "weight") else array
