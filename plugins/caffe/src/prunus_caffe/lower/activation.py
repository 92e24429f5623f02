"""Layers that act on every number by itself, and Softmax."""

from __future__ import annotations

import math

import onnx_ir as ir

from prunus_caffe.lower.builder import Builder
from prunus_caffe.records.layers import LayerRecord


def relu(layer: LayerRecord, build: Builder) -> None:
    """``ReLULayer``: max(x, 0) + negative_slope · min(x, 0)."""
    slope = layer.params.relu_param.negative_slope
    value, dims = build.value(layer)
    if slope:
        result = build.emit(layer, "LeakyRelu", [value], {"alpha": float(slope)})
    else:
        result = build.emit(layer, "Relu", [value])
    build.top(layer, result, dims)


def relu6(layer: LayerRecord, build: Builder) -> None:
    """ReLU6 of the MobileNet forks: clip to [0, 6]."""
    value, dims = build.value(layer)
    bounds = [build.scalar(f"{layer.name}/min", 0.0), build.scalar(f"{layer.name}/max", 6.0)]
    build.top(layer, build.emit(layer, "Clip", [value, *bounds]), dims)


def prelu(layer: LayerRecord, build: Builder) -> None:
    """``PReLULayer``: one slope a channel, or one for all."""
    value, dims = build.value(layer)
    build.expect_blobs(layer, 1)
    space = (1,) * (len(dims) - 2)
    if layer.params.prelu_param.channel_shared:
        slope = build.parameter(layer, 0, "slope", (), form=(1, *space), axes=())
    else:
        slope = build.parameter(layer, 0, "slope", (dims[1],), form=(dims[1], *space), axes=(0,))
    build.top(layer, build.emit(layer, "PRelu", [value, slope]), dims)


def elu(layer: LayerRecord, build: Builder) -> None:
    """``ELULayer``: x, or alpha (e^x - 1) below 0."""
    value, dims = build.value(layer)
    alpha = float(layer.params.elu_param.alpha)
    build.top(layer, build.emit(layer, "Elu", [value], {"alpha": alpha}), dims)


def sigmoid(layer: LayerRecord, build: Builder) -> None:
    """``SigmoidLayer``."""
    _plain(layer, build, "Sigmoid")


def tanh(layer: LayerRecord, build: Builder) -> None:
    """``TanHLayer``."""
    _plain(layer, build, "Tanh")


def absval(layer: LayerRecord, build: Builder) -> None:
    """``AbsValLayer``."""
    _plain(layer, build, "Abs")


def bnll(layer: LayerRecord, build: Builder) -> None:
    """``BNLLLayer``: log(1 + e^x)."""
    _plain(layer, build, "Softplus")


def _plain(layer: LayerRecord, build: Builder, op: str) -> None:
    value, dims = build.value(layer)
    build.top(layer, build.emit(layer, op, [value]), dims)


def swish(layer: LayerRecord, build: Builder) -> None:
    """``SwishLayer``: x · sigmoid(beta x)."""
    value, dims = build.value(layer)
    beta = float(layer.params.swish_param.beta)
    inner = value
    if beta != 1:
        factor = build.scalar(f"{layer.name}/beta", beta)
        inner = build.emit(layer, "Mul", [value, factor], part="beta")
    gate = build.emit(layer, "Sigmoid", [inner], part="gate")
    build.top(layer, build.emit(layer, "Mul", [value, gate]), dims)


def softmax(layer: LayerRecord, build: Builder) -> None:
    """``SoftmaxLayer``."""
    value, dims = build.value(layer)
    axis = layer.params.softmax_param.axis % len(dims)
    build.top(layer, build.emit(layer, "Softmax", [value], {"axis": axis}), dims)


def power(layer: LayerRecord, build: Builder) -> None:
    """``PowerLayer``: (shift + scale · x) ^ power."""
    param = layer.params.power_param
    value, dims = build.value(layer)
    result = _affine(layer, build, value, float(param.scale), float(param.shift))
    if param.power != 1:
        exponent = build.scalar(f"{layer.name}/power", float(param.power))
        result = build.emit(layer, "Pow", [result, exponent], part="power")
    if result is value:
        build.skip(layer)
    else:
        build.top(layer, result, dims)


def exp(layer: LayerRecord, build: Builder) -> None:
    """``ExpLayer``: base ^ (shift + scale · x), base e where it is -1."""
    param = layer.params.exp_param
    if param.base <= 0 and param.base != -1:
        raise build.error(layer, "expected a 'base' above 0, or -1 for e, in exp_param")
    log_base = 1.0 if param.base == -1 else math.log(param.base)
    value, dims = build.value(layer)
    inner = _affine(layer, build, value, log_base * param.scale, log_base * param.shift)
    build.top(layer, build.emit(layer, "Exp", [inner]), dims)


def log(layer: LayerRecord, build: Builder) -> None:
    """``LogLayer``: log_base(shift + scale · x)."""
    param = layer.params.log_param
    if (param.base <= 0 and param.base != -1) or param.base == 1:
        raise build.error(
            layer, "expected a 'base' above 0 other than 1, or -1 for e, in log_param"
        )
    value, dims = build.value(layer)
    inner = _affine(layer, build, value, float(param.scale), float(param.shift))
    result = build.emit(layer, "Log", [inner])
    if param.base != -1:
        factor = build.scalar(f"{layer.name}/base", 1 / math.log(param.base))
        result = build.emit(layer, "Mul", [result, factor], part="base")
    build.top(layer, result, dims)


def _affine(
    layer: LayerRecord, build: Builder, value: ir.Value, scale: float, shift: float
) -> ir.Value:
    if scale != 1:
        factor = build.scalar(f"{layer.name}/factor", scale)
        value = build.emit(layer, "Mul", [value, factor], part="factor")
    if shift != 0:
        offset = build.scalar(f"{layer.name}/offset", shift)
        value = build.emit(layer, "Add", [value, offset], part="offset")
    return value
