"""Convolution, Deconvolution and InnerProduct."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import onnx_ir as ir

from prunus_caffe.lower.builder import BarrierError, Blob, Builder
from prunus_caffe.lower.geometry import Window, convolution_window
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]


def convolution(layer: LayerRecord, build: Builder) -> None:
    """``ConvolutionLayer``: output floor((H + 2p - d(k-1) - 1) / s) + 1 for each bottom."""
    _each(layer, build, _CONVOLUTION)


def depthwise(layer: LayerRecord, build: Builder) -> None:
    """ConvolutionDepthwise of the MobileNet forks: one group a channel, whatever ``group`` says."""
    _each(layer, build, _DEPTHWISE)


def deconvolution(layer: LayerRecord, build: Builder) -> None:
    """``DeconvolutionLayer``: output s(H - 1) + d(k-1) + 1 - 2p; weight (I, O/g, k…)."""
    _each(layer, build, _DECONVOLUTION)


@attrs.frozen
class _Kind:
    """Differences between the three.

    Attributes:
        op: ONNX operator.
        group: (channels read, ``group`` as written) -> groups.
        lead: (channels read, ``num_output``, groups) -> leading axes of the weight.
        reads: (first two axes of the weight, groups) -> channels read.
        size: (size, reach of the window, stride, pad) -> output size.
    """

    op: str
    group: Callable[[int, int], int]
    lead: Callable[[int, int, int], Dims]
    reads: Callable[[Dims, int], int]
    size: Callable[[int, int, int, int], int]


_CONVOLUTION = _Kind(
    "Conv",
    group=lambda channels, group: group,
    lead=lambda channels, outputs, group: (outputs, channels // group),
    reads=lambda lead, group: lead[1] * group,
    size=lambda size, reach, stride, pad: (size + 2 * pad - reach) // stride + 1,
)
_DEPTHWISE = attrs.evolve(_CONVOLUTION, group=lambda channels, group: channels)
_DECONVOLUTION = _Kind(
    "ConvTranspose",
    group=lambda channels, group: group,
    lead=lambda channels, outputs, group: (channels, outputs // group),
    reads=lambda lead, group: lead[0],
    size=lambda size, reach, stride, pad: stride * (size - 1) + reach - 2 * pad,
)


def _each(layer: LayerRecord, build: Builder, kind: _Kind) -> None:
    """The same weights on every bottom, each giving the top of its position."""
    param = layer.params.convolution_param
    if param.axis not in (1, -3):
        raise BarrierError(f"its channels are on axis {param.axis}")
    if not param.num_output:
        raise build.error(layer, "expected a 'num_output' of at least 1 in convolution_param")
    build.expect_blobs(layer, 2 if param.bias_term else 1)
    operands: list[ir.Value] = []
    for index in range(len(layer.bottoms)):
        blob = build.bottom(layer, index)
        if len(blob.dims) < 3:
            raise build.error(
                layer, f"expected a bottom with channels and space, found {blob.dims}"
            )
        window = convolution_window(layer, build, len(blob.dims) - 2)
        first = build.bottom(layer).dims
        if blob.dims != first:
            raise build.error(layer, f"expected bottoms of one shape, found {first}, {blob.dims}")
        if not operands:
            blob = _gauge(layer, build, blob, kind)
            operands = _weights(layer, build, blob.dims[1], window, kind)
        _one(layer, build, index, blob, window, operands, kind)


def _gauge(layer: LayerRecord, build: Builder, blob: Blob, kind: _Kind) -> Blob:
    """After an opaque layer only the weights know the number of channels."""
    stored = build.stored_dims(layer, 0)
    if blob.opaque is None or stored is None or len(stored) < 2:
        return blob
    channels = kind.reads(stored, layer.params.convolution_param.group)
    dims = (blob.dims[0], channels, *blob.dims[2:])
    build.reshape_guess(blob, dims)
    return attrs.evolve(blob, dims=dims)


def _group(layer: LayerRecord, build: Builder, channels: int, kind: _Kind) -> int:
    param = layer.params.convolution_param
    group = kind.group(channels, int(param.group))
    if group < 1 or channels % group or param.num_output % group:
        raise build.error(
            layer, f"expected 'group' {group} to divide {channels} input channels and "
            f"num_output {param.num_output}"
        )  # fmt: skip
    return group


def _weights(
    layer: LayerRecord, build: Builder, channels: int, window: Window, kind: _Kind
) -> list[ir.Value]:
    param = layer.params.convolution_param
    outputs = int(param.num_output)
    lead = kind.lead(channels, outputs, _group(layer, build, channels, kind))
    operands = [build.parameter(layer, 0, "weight", (*lead, *window.kernel))]
    if param.bias_term:
        operands.append(build.parameter(layer, 1, "bias", (outputs,)))
    return operands


def _one(
    layer: LayerRecord, build: Builder, index: int, blob: Blob, window: Window,
    operands: list[ir.Value], kind: _Kind,
) -> None:  # fmt: skip
    assert blob.value is not None
    sizes = [
        kind.size(size, d * (k - 1) + 1, s, p)
        for size, k, s, p, d in zip(
            blob.dims[2:], window.kernel, window.stride, window.pad, window.dilation, strict=True
        )
    ]
    if min(sizes) < 1:
        raise build.error(layer, f"its window does not fit into the {blob.dims[2:]} input")
    attributes = {
        "kernel_shape": list(window.kernel), "strides": list(window.stride),
        "pads": list(window.pad * 2), "dilations": list(window.dilation),
        "group": _group(layer, build, blob.dims[1], kind),
    }  # fmt: skip
    part = f"{index}" if index else ""
    value = build.emit(layer, kind.op, [blob.value, *operands], attributes, part=part)
    outputs = int(layer.params.convolution_param.num_output)
    build.top(layer, value, (blob.dims[0], outputs, *sizes), index)


def inner_product(layer: LayerRecord, build: Builder) -> None:
    """``InnerProductLayer``: flattens from ``axis`` on; weight (out, in) or turned."""
    param = layer.params.inner_product_param
    if not param.num_output:
        raise build.error(layer, "expected a 'num_output' of at least 1 in inner_product_param")
    blob = build.bottom(layer)
    assert blob.value is not None
    axis = param.axis % max(len(blob.dims), 1)
    if axis == 0:
        raise BarrierError("it mixes the samples of a batch (axis 0)")
    build.expect_blobs(layer, 2 if param.bias_term else 1)
    inputs, outputs = math.prod(blob.dims[axis:]), int(param.num_output)
    stored = build.stored_dims(layer, 0)
    if blob.opaque is not None and stored:
        inputs = stored[-2 if param.transpose else -1]
        build.reshape_guess(blob, (blob.dims[0], inputs))
        blob = Blob(blob.value, (blob.dims[0], inputs), blob.opaque)
    dims = (inputs, outputs) if param.transpose else (outputs, inputs)
    if axis == 1:
        value = _gemm(layer, build, blob, dims)
    else:
        value = _matmul(layer, build, blob, axis, dims)
    build.top(layer, value, (*blob.dims[:axis], outputs))


def _gemm(layer: LayerRecord, build: Builder, blob: Blob, dims: Dims) -> ir.Value:
    param = layer.params.inner_product_param
    data = blob.value
    assert data is not None
    if len(blob.dims) != 2:
        data = build.emit(layer, "Flatten", [data], {"axis": 1}, part="flatten")
    operands = [data, build.parameter(layer, 0, "weight", dims)]
    if param.bias_term:
        operands.append(build.parameter(layer, 1, "bias", (int(param.num_output),)))
    return build.emit(layer, "Gemm", operands, {"transB": 0 if param.transpose else 1})


def _matmul(layer: LayerRecord, build: Builder, blob: Blob, axis: int, dims: Dims) -> ir.Value:
    """Leading axes stay; MatMul wants the weight (in, out), so a plain one is turned."""
    param = layer.params.inner_product_param
    data = blob.value
    assert data is not None
    inputs, outputs = dims if param.transpose else dims[::-1]
    if len(blob.dims) != axis + 1:
        target = build.constant(f"{layer.name}/shape", [0, *blob.dims[1:axis], inputs])
        data = build.emit(layer, "Reshape", [data, target], part="flatten")
    axes = (0, 1) if param.transpose else (1, 0)
    weight = build.parameter(layer, 0, "weight", dims, form=(inputs, outputs), axes=axes)
    value = build.emit(layer, "MatMul", [data, weight])
    if param.bias_term:
        bias = build.parameter(layer, 1, "bias", (outputs,))
        value = build.emit(layer, "Add", [value, bias], part="bias")
    return value
