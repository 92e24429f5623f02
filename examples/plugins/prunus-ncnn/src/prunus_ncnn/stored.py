"""The arrays that each type of layer keeps in the weights file.

From the ``load_model`` of ncnn's src/layer/*.cpp; sizes follow from the numbers of the layer alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from prunus.plugin import COUNT, ModelError, check_room
from prunus_ncnn.param import Layer


@dataclass(frozen=True)
class Stored:
    """One array of a layer.

    Attributes:
        role: As in ``Binding.role``.
        shape: Its shape in the file, with ncnn's last axis first: ``(O, I, kH, kW)``.
        tagged: A tag before its numbers says how they are stored; without it they are float32.
    """

    role: str
    shape: tuple[int, ...]
    tagged: bool = False


def stored_arrays(layer: Layer) -> tuple[Stored, ...]:
    """The arrays of a layer, in the order of the file; none for types without a table entry.

    Raises:
        ModelError: numbers of the layer do not fit together, or its weights are int8.
    """
    if layer.kind not in _TABLE:
        return ()
    arrays = _TABLE[layer.kind](layer)
    for array in arrays:
        if not all(map(COUNT.holds, array.shape)):
            shape = "x".join(map(str, array.shape))
            raise ModelError(f"{layer.where}: its {array.role} is of shape {shape}; copy it again")
        check_room(4 * math.prod(array.shape), layer.where, ModelError)
    return arrays


def group_of(layer: Layer) -> int:
    """Number of channel groups of a convolution."""
    return layer.integer(7, 1) if layer.kind.endswith("DepthWise") else 1


def _convolution(layer: Layer) -> tuple[Stored, ...]:
    outputs, width = layer.integer(0), layer.integer(1)
    height, group = layer.integer(11, width), group_of(layer)
    rows = _divided(layer, 6, outputs * width * height)
    if group < 1 or outputs % group:
        raise layer.error(7, f"a divisor of its {outputs} outputs")
    shape: tuple[int, ...] = (outputs, rows, height, width)
    if layer.kind.startswith("Deconvolution"):
        shape = (group, outputs // group, rows, height, width)
    return _with_bias(layer, 5, Stored("weight", shape, True), outputs)


def _inner_product(layer: Layer) -> tuple[Stored, ...]:
    outputs = layer.integer(0)
    weight = Stored("weight", (outputs, _divided(layer, 2, outputs)), True)
    return _with_bias(layer, 1, weight, outputs)


def _divided(layer: Layer, key: int, rows: int) -> int:
    """Length of a row where the weights of key ``key`` are cut into ``rows``."""
    count = layer.integer(key)
    if layer.integer(8):
        raise ModelError(
            f"{layer.where}: has int8 weights; prune the float network and quantise it afterwards"
        )
    if layer.integer(19) and layer.kind.startswith("Conv"):
        return 1  # it takes its weights from other layers
    if rows < 1 or count < 1 or count % rows:
        raise layer.error(key, f"the number of its weights, a multiple of {max(rows, 1)}")
    return count // rows


def _with_bias(layer: Layer, key: int, weight: Stored, outputs: int) -> tuple[Stored, ...]:
    if layer.integer(19) and layer.kind.startswith("Conv"):
        return ()
    return (weight, Stored("bias", (outputs,))) if layer.integer(key) else (weight,)


def _vectors(key: int, *roles: str) -> Callable[[Layer], tuple[Stored, ...]]:
    return lambda layer: tuple(Stored(role, (layer.integer(key),)) for role in roles)


def _scale(layer: Layer) -> tuple[Stored, ...]:
    channels = layer.integer(0)
    if channels == -233:  # the factor is its second input
        return ()
    shift = (Stored("shift", (channels,)),) if layer.integer(1) else ()
    return (Stored("scale", (channels,)), *shift)


def _memory_data(layer: Layer) -> tuple[Stored, ...]:
    sizes = (layer.integer(2), layer.integer(11), layer.integer(1), layer.integer(0))
    return (Stored("weight", tuple(size for size in sizes if size), layer.integer(21, 1) == 0),)


def _affine(size: int, affine: int, *roles: str) -> Callable[[Layer], tuple[Stored, ...]]:
    vectors = _vectors(size, *roles)
    return lambda layer: vectors(layer) if layer.integer(affine, 1) else ()


def _padding(layer: Layer) -> tuple[Stored, ...]:
    count = layer.integer(6)
    return (Stored("shift", (count,)),) if count else ()


_TABLE: dict[str, Callable[[Layer], tuple[Stored, ...]]] = {
    "BatchNorm": _vectors(0, "scale", "mean", "variance", "shift"),
    "Bias": _vectors(0, "shift"),
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Deconvolution": _convolution,
    "DeconvolutionDepthWise": _convolution,
    "GroupNorm": _affine(1, 3, "scale", "shift"),
    "InnerProduct": _inner_product,
    "InstanceNorm": _affine(0, 2, "scale", "shift"),
    "LayerNorm": _affine(0, 2, "scale", "shift"),
    "MemoryData": _memory_data,
    "Normalize": _vectors(3, "scale"),
    "PReLU": _vectors(0, "slope"),
    "Padding": _padding,
    "Scale": _scale,
}
"""Type -> its arrays."""
