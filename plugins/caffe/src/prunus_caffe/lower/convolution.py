"""Convolution, Deconvolution and InnerProduct."""

from __future__ import annotations

import math

import attrs
import onnx_ir as ir

from prunus_caffe.lower.builder import BarrierError, Blob, Builder
from prunus_caffe.lower.geometry import Window, convolution_window
from prunus_caffe.records import LayerRecord

Dims = tuple[int, ...]


def convolution(layer: LayerRecord, build: Builder) -> None:
    """``ConvolutionLayer``: output floor((H + 2p - d(k-1) - 1) / s) + 1 for each bottom."""
    _each(layer, build, depthwise=False, transposed=False)


def depthwise(layer: LayerRecord, build: Builder) -> None:
    """ConvolutionDepthwise of the MobileNet forks: one group a channel, whatever ``group`` says."""
    _each(layer, build, depthwise=True, transposed=False)


def deconvolution(layer: LayerRecord, build: Builder) -> None:
    """``DeconvolutionLayer``: output s(H - 1) + d(k-1) + 1 - 2p; weight (I, O/g, k…)."""
    _each(layer, build, depthwise=False, transposed=True)


def _each(layer: LayerRecord, build: Builder, *, depthwise: bool, transposed: bool) -> None:
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
            blob = _gauge(layer, build, blob, transposed)
            operands = _weights(layer, build, blob.dims[1], window, depthwise, transposed)
        _one(layer, build, index, blob, window, operands, depthwise, transposed)


def _gauge(layer: LayerRecord, build: Builder, blob: Blob, transposed: bool) -> Blob:
    """After an opaque layer only the weights know the number of channels."""
    stored = build.stored_dims(layer, 0)
    if blob.opaque is None or stored is None or len(stored) < 2:
        return blob
    group = layer.params.convolution_param.group
    channels = stored[0] if transposed else stored[1] * group
    dims = (blob.dims[0], channels, *blob.dims[2:])
    build.reshape_guess(blob, dims)
    return attrs.evolve(blob, dims=dims)


def _group(layer: LayerRecord, build: Builder, channels: int, is_depthwise: bool) -> int:
    param = layer.params.convolution_param
    group = channels if is_depthwise else int(param.group)
    if group < 1 or channels % group or param.num_output % group:
        raise build.error(
            layer, f"expected 'group' {group} to divide {channels} input channels and "
            f"num_output {param.num_output}"
        )  # fmt: skip
    return group


def _weights(
    layer: LayerRecord, build: Builder, channels: int, window: Window,
    is_depthwise: bool, transposed: bool,
) -> list[ir.Value]:  # fmt: skip
    param = layer.params.convolution_param
    group = _group(layer, build, channels, is_depthwise)
    outputs = int(param.num_output)
    lead = (channels, outputs // group) if transposed else (outputs, channels // group)
    operands = [build.parameter(layer, 0, "weight", (*lead, *window.kernel))]
    if param.bias_term:
        operands.append(build.parameter(layer, 1, "bias", (outputs,)))
    return operands


def _one(
    layer: LayerRecord, build: Builder, index: int, blob: Blob, window: Window,
    operands: list[ir.Value], is_depthwise: bool, transposed: bool,
) -> None:  # fmt: skip
    assert blob.value is not None
    sizes = []
    for size, k, s, p, d in zip(
        blob.dims[2:], window.kernel, window.stride, window.pad, window.dilation, strict=True
    ):
        reach = d * (k - 1) + 1
        sizes.append(
            s * (size - 1) + reach - 2 * p if transposed else (size + 2 * p - reach) // s + 1
        )
    if min(sizes) < 1:
        raise build.error(layer, f"its window does not fit into the {blob.dims[2:]} input")
    attributes = {
        "kernel_shape": list(window.kernel), "strides": list(window.stride),
        "pads": list(window.pad * 2), "dilations": list(window.dilation),
        "group": _group(layer, build, blob.dims[1], is_depthwise),
    }  # fmt: skip
    op = "ConvTranspose" if transposed else "Conv"
    part = f"{index}" if index else ""
    value = build.node(layer, op, [blob.value, *operands], attributes, part=part)
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
        data = build.node(layer, "Flatten", [data], {"axis": 1}, part="flatten")
    operands = [data, build.parameter(layer, 0, "weight", dims)]
    if param.bias_term:
        operands.append(build.parameter(layer, 1, "bias", (int(param.num_output),)))
    return build.node(layer, "Gemm", operands, {"transB": 0 if param.transpose else 1})


def _matmul(layer: LayerRecord, build: Builder, blob: Blob, axis: int, dims: Dims) -> ir.Value:
    """Leading axes stay; MatMul wants the weight (in, out), so a plain one is turned."""
    param = layer.params.inner_product_param
    data = blob.value
    assert data is not None
    inputs, outputs = dims if param.transpose else dims[::-1]
    if len(blob.dims) != axis + 1:
        target = build.constant(f"{layer.name}/shape", [0, *blob.dims[1:axis], inputs])
        data = build.node(layer, "Reshape", [data, target], part="flatten")
    axes = (0, 1) if param.transpose else (1, 0)
    weight = build.parameter(layer, 0, "weight", dims, form=(inputs, outputs), axes=axes)
    value = build.node(layer, "MatMul", [data, weight])
    if param.bias_term:
        bias = build.parameter(layer, 1, "bias", (outputs,))
        value = build.node(layer, "Add", [value, bias], part="bias")
    return value
