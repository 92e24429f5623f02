"""BatchNorm, Scale, Bias, LRN and Normalize; one number a channel runs along the first axis."""

from __future__ import annotations

from collections.abc import Callable

from prunus.plugin import ModelError
from prunus_ncnn.lower.builder import (
    Blob,
    LayerBuilder,
    UnsupportedError,
    along_channels,
    image,
)
from prunus_ncnn.param import Layer


def _batch_norm(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/batchnorm.cpp: (x - mean) / √(variance + eps) · scale + shift."""
    roles = ("scale", "shift", "mean", "variance")
    for role in roles:
        _check_channels(build, layer, role, blob)
    operands = [blob, *(build.bound(layer, role) for role in roles)]
    attributes = {"epsilon": layer.real(1)}
    return build.emit(layer, "BatchNormalization", operands, blob.dims, attributes)


def _scale(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/scale.cpp."""
    blob = _spread(build, layer, "Mul", "scale", blob)
    if (layer.index, "shift") in build.arrays:
        blob = _spread(build, layer, "Add", "shift", blob, "shift")
    return blob


def _bias(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return _spread(build, layer, "Add", "shift", blob)


def _spread(
    build: LayerBuilder, layer: Layer, op: str, role: str, blob: Blob, part: str = ""
) -> Blob:
    _check_channels(build, layer, role, blob)
    shape = along_channels(blob.dims[0], blob.dims)
    return build.emit(layer, op, [blob, build.bound(layer, role, shape)], blob.dims, part=part)


def _check_channels(build: LayerBuilder, layer: Layer, role: str, blob: Blob) -> None:
    (count,) = build.arrays[layer.index, role].shape
    if count != blob.dims[0]:
        raise ModelError(f"{layer.where}: has a {role} for {count} channels, not {blob.dims[0]}")


def _lrn(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/lrn.cpp: x · (bias + alpha / n · Σ x²)^-beta over n channels, or n pixels."""
    image(layer, blob)
    size, dims = layer.integer(1, 5), blob.dims
    alpha, beta, bias = layer.real(2, 1.0), layer.real(3, 0.75), layer.real(4, 1.0)
    if size < 1 or size % 2 == 0:
        raise UnsupportedError(f"which has a window of {size}, no odd number")
    if layer.integer(0) == 0:
        attributes = {"size": size, "alpha": alpha, "beta": beta, "bias": bias}
        return build.emit(layer, "LRN", [blob], dims, attributes)
    square = build.emit(layer, "Mul", [blob, blob], dims, part="square")
    attributes = {
        "kernel_shape": [size] * 2, "pads": [size // 2] * 4, "count_include_pad": 1,
    }  # fmt: skip
    mean = build.emit(layer, "AveragePool", [square], dims, attributes, "mean")
    scaled = build.emit(
        layer, "Mul", [mean, build.scalar(layer, "alpha", alpha)], dims, part="alpha"
    )
    base = build.emit(layer, "Add", [scaled, build.scalar(layer, "bias", bias)], dims, part="bias")
    factor = build.emit(
        layer, "Pow", [base, build.scalar(layer, "beta", -beta)], dims, part="power"
    )
    return build.emit(layer, "Mul", [blob, factor], dims)


def _normalize(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """src/layer/normalize.cpp: over the L2 norm of each position, each channel or the whole."""
    image(layer, blob)
    spatial, channels = layer.integer(0), layer.integer(4, 1)
    axes = [1] * bool(channels) + [2, 3] * bool(spatial)
    if not axes:
        raise UnsupportedError("which normalises each number alone")
    eps, mode, dims = build.scalar(layer, "eps", layer.real(2, 0.0001)), layer.integer(9), blob.dims
    square = build.emit(layer, "Mul", [blob, blob], dims, part="square")
    left = tuple(1 if axis in axes else size for axis, size in enumerate(dims, 1))
    total = build.emit(
        layer, "ReduceSum", [square, build.integers(layer, "axes", axes)], left,
        {"keepdims": 1}, "sum",
    )  # fmt: skip
    if mode == 0:
        total = build.emit(layer, "Add", [total, eps], left, part="eps")
    elif mode == 2:
        total = build.emit(layer, "Max", [total, eps], left, part="eps")
    norm = build.emit(layer, "Sqrt", [total], left, part="norm")
    if mode == 1:
        norm = build.emit(layer, "Max", [norm, eps], left, part="eps")
    unit = build.emit(layer, "Div", [blob, norm], dims, part="unit")
    (count,) = build.arrays[layer.index, "scale"].shape
    if count not in (1, dims[0]):
        raise ModelError(f"{layer.where}: has {count} scales for {dims[0]} channels")
    scale = build.bound(layer, "scale", along_channels(count, dims))
    return build.emit(layer, "Mul", [unit, scale], dims)


NORMALIZATION: dict[str, Callable[[LayerBuilder, Layer, Blob], Blob]] = {
    "BatchNorm": _batch_norm,
    "Bias": _bias,
    "LRN": _lrn,
    "Normalize": _normalize,
    "Scale": _scale,
}
"""Type -> lowering; Scale with one input."""
