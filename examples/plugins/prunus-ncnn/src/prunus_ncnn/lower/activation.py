"""Layers that treat each number alone, and the activations that other layers end with."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from prunus.plugin import ModelError
from prunus_ncnn.lower.builder import Blob, LayerBuilder, UnsupportedError, along_channels
from prunus_ncnn.param import Layer

_LARGEST = float(np.finfo(np.float32).max)


def fused(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """The activation of keys 9 and 10 (src/layer/fused_activation.h).

    Raises:
        UnsupportedError: ncnn has a newer one.
    """
    kind, numbers = layer.integer(9), layer.reals(10)
    wanted = {0: 0, 1: 0, 2: 1, 3: 2, 4: 0, 5: 0, 6: 2}.get(kind)
    if wanted is None:
        raise UnsupportedError(f"which ends with the activation {kind}")
    if len(numbers) < wanted:
        raise layer.error(10, f"the {wanted} numbers of activation {kind}")
    match kind:
        case 1:
            return build.emit(layer, "Relu", [blob], blob.dims, part="relu")
        case 2:
            return leaky(build, layer, blob, numbers[0], "relu")
        case 3:
            return clipped(build, layer, blob, numbers[0], numbers[1], "clip")
        case 4:
            return build.emit(layer, "Sigmoid", [blob], blob.dims, part="sigmoid")
        case 5:
            return gated(build, layer, blob, mish_gate(build, layer, blob), "mish")
        case 6:
            gate = hard_gate(build, layer, blob, numbers[0], numbers[1])
            return gated(build, layer, blob, gate, "swish")
    return blob


def leaky(build: LayerBuilder, layer: Layer, blob: Blob, slope: float, part: str = "") -> Blob:
    """``x`` above zero, ``slope · x`` below."""
    if slope == 0:
        return build.emit(layer, "Relu", [blob], blob.dims, part=part)
    return build.emit(layer, "LeakyRelu", [blob], blob.dims, {"alpha": slope}, part)


def clipped(
    build: LayerBuilder, layer: Layer, blob: Blob, low: float, high: float, part: str = ""
) -> Blob:
    """``min(max(x, low), high)``."""
    bounds = [build.scalar(layer, "low", low), build.scalar(layer, "high", high)]
    return build.emit(layer, "Clip", [blob, *bounds], blob.dims, part=part)


def gated(build: LayerBuilder, layer: Layer, blob: Blob, gate: Blob, part: str = "") -> Blob:
    """``x · gate(x)``."""
    return build.emit(layer, "Mul", [blob, gate], blob.dims, part=part)


def hard_gate(
    build: LayerBuilder, layer: Layer, blob: Blob, alpha: float, beta: float, part: str = "gate"
) -> Blob:
    """``min(max(alpha · x + beta, 0), 1)``."""
    attributes = {"alpha": alpha, "beta": beta}
    return build.emit(layer, "HardSigmoid", [blob], blob.dims, attributes, part)


def mish_gate(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """``tanh(log(1 + e^x))``."""
    soft = build.emit(layer, "Softplus", [blob], blob.dims, part="softplus")
    return build.emit(layer, "Tanh", [soft], blob.dims, part="gate")


def _simple(op: str) -> Callable[[LayerBuilder, Layer, Blob], Blob]:
    return lambda build, layer, blob: build.emit(layer, op, [blob], blob.dims)


def _relu(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return leaky(build, layer, blob, layer.real(0))


def _clip(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return clipped(build, layer, blob, layer.real(0, -_LARGEST), layer.real(1, _LARGEST))


def _prelu(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    (count,) = build.arrays[layer.index, "slope"].shape
    if count not in (1, blob.dims[0]):
        raise ModelError(f"{layer.where}: has {count} slopes for {blob.dims[0]} channels")
    slope = build.bound(layer, "slope", along_channels(count, blob.dims))
    return build.emit(layer, "PRelu", [blob, slope], blob.dims)


def _elu(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return build.emit(layer, "Elu", [blob], blob.dims, {"alpha": layer.real(0, 0.1)})


def _selu(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    attributes = {"alpha": layer.real(0, 1.67326324), "gamma": layer.real(1, 1.050700987)}
    return build.emit(layer, "Selu", [blob], blob.dims, attributes)


def _swish(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    gate = build.emit(layer, "Sigmoid", [blob], blob.dims, part="gate")
    return gated(build, layer, blob, gate)


def _mish(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return gated(build, layer, blob, mish_gate(build, layer, blob))


def _hard_sigmoid(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return hard_gate(build, layer, blob, layer.real(0, 0.2), layer.real(1, 0.5), "")


def _hard_swish(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    gate = hard_gate(build, layer, blob, layer.real(0, 0.2), layer.real(1, 0.5))
    return gated(build, layer, blob, gate)


def _gelu(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    """``x/2 · (1 + erf(x/√2))``, or its form with tanh where key 0 asks for the fast one."""
    dims = blob.dims
    if layer.integer(0):
        cube = build.emit(layer, "Mul", [blob, blob], dims, part="square")
        cube = build.emit(layer, "Mul", [cube, blob], dims, part="cube")
        cube = build.emit(layer, "Mul", [cube, build.scalar(layer, "a", 0.044715)], dims, part="a")
        inner = build.emit(layer, "Add", [blob, cube], dims, part="inner")
        factor = build.scalar(layer, "b", 0.79788452)
        inner = build.emit(layer, "Mul", [inner, factor], dims, part="b")
        gate = build.emit(layer, "Tanh", [inner], dims, part="tanh")
    else:
        factor = build.scalar(layer, "root", math.sqrt(0.5))
        inner = build.emit(layer, "Mul", [blob, factor], dims, part="root")
        gate = build.emit(layer, "Erf", [inner], dims, part="erf")
    gate = build.emit(layer, "Add", [gate, build.scalar(layer, "one", 1.0)], dims, part="one")
    gate = build.emit(layer, "Mul", [gate, build.scalar(layer, "half", 0.5)], dims, part="half")
    return gated(build, layer, blob, gate)


def _affine(build: LayerBuilder, layer: Layer, blob: Blob, scale: float, shift: float) -> Blob:
    """``shift + scale · x``; no operators where that is x."""
    if scale != 1:
        factor = build.scalar(layer, "factor", scale)
        blob = build.emit(layer, "Mul", [blob, factor], blob.dims, part="scale")
    if shift != 0:
        addend = build.scalar(layer, "addend", shift)
        blob = build.emit(layer, "Add", [blob, addend], blob.dims, part="shift")
    return blob


def _power(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    blob = _affine(build, layer, blob, layer.real(1, 1.0), layer.real(2))
    exponent = layer.real(0, 1.0)
    if exponent == 1:
        return blob
    return build.emit(layer, "Pow", [blob, build.scalar(layer, "exponent", exponent)], blob.dims)


def _exp(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    blob = _affine(build, layer, blob, layer.real(1, 1.0), layer.real(2))
    base = layer.real(0, -1.0)
    if base == -1:
        return build.emit(layer, "Exp", [blob], blob.dims)
    return build.emit(layer, "Pow", [build.scalar(layer, "base", base), blob], blob.dims)


def _log(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    blob = _affine(build, layer, blob, layer.real(1, 1.0), layer.real(2))
    base = layer.real(0, -1.0)
    blob = build.emit(layer, "Log", [blob], blob.dims)
    if base == -1:
        return blob
    divisor = build.scalar(layer, "base", math.log(base) if base > 0 else math.nan)
    return build.emit(layer, "Div", [blob, divisor], blob.dims, part="base")


def _dropout(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return _affine(build, layer, blob, layer.real(0, 1.0), 0.0)


_UNARY = (
    "Abs Neg Floor Ceil square Sqrt rsqrt Exp Log Sin Cos Tan Asin Acos Atan Reciprocal Tanh "
    "log10 Round trunc"
).split()
"""Operators of UnaryOp by key 0 (src/layer/unaryop.h); those in lower case ONNX lacks."""


def _unary(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    kind = layer.integer(0)
    op = _UNARY[kind] if 0 <= kind < len(_UNARY) else "trunc"
    match op:
        case "trunc":
            raise UnsupportedError(f"which computes the operation {kind}")
        case "square":
            return build.emit(layer, "Mul", [blob, blob], blob.dims)
        case "rsqrt":
            root = build.emit(layer, "Sqrt", [blob], blob.dims, part="root")
            return build.emit(layer, "Reciprocal", [root], blob.dims)
        case "log10":
            log = build.emit(layer, "Log", [blob], blob.dims, part="log")
            factor = build.scalar(layer, "factor", 1 / math.log(10))
            return build.emit(layer, "Mul", [log, factor], blob.dims)
    return build.emit(layer, op, [blob], blob.dims)


def _same(build: LayerBuilder, layer: Layer, blob: Blob) -> Blob:
    return blob


SINGLE: dict[str, Callable[[LayerBuilder, Layer, Blob], Blob]] = {
    "AbsVal": _simple("Abs"),
    "BNLL": _simple("Softplus"),
    "Clip": _clip,
    "Dropout": _dropout,
    "ELU": _elu,
    "Exp": _exp,
    "GELU": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Log": _log,
    "Mish": _mish,
    "Noop": _same,
    "PReLU": _prelu,
    "Power": _power,
    "ReLU": _relu,
    "SELU": _selu,
    "Sigmoid": _simple("Sigmoid"),
    "Softplus": _simple("Softplus"),
    "Swish": _swish,
    "TanH": _simple("Tanh"),
    "UnaryOp": _unary,
}
"""Type -> lowering of a layer that takes a blob and gives one of the same sizes."""
