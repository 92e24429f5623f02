"""Lowering of the layers with weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np
import onnx_ir as ir

from prunus_darknet.lower.builder import GraphBuilder
from prunus_darknet.lower.normalization import EPSILON, graph_variance
from prunus_darknet.records.layers import Layer
from prunus_darknet.weights import Array, Slot


@attrs.frozen(eq=False)
class Weighted:
    """Where lowering finds weights.

    Attributes:
        arrays: Weights by slot, in the graph's shapes.
        normalization: Convention of batch normalisation.
    """

    arrays: Mapping[Slot, Array]
    normalization: str

    def bind(self, build: GraphBuilder, layer: Layer, role: str) -> ir.Value:
        """The initializer of one role; of the owner's where weights are shared."""
        owner = layer.numbers.get("share")
        name = f"{layer.name}/{role}" if owner is None else f"{owner}:{layer.type}/{role}"
        if name in build.initializers:
            return build.initializers[name]
        position = next(i for i, blob in enumerate(layer.blobs) if blob.role == role)
        array = self.arrays[layer.index, position]
        if role == "variance":
            array = graph_variance(array, self.normalization)
        return build.weight(layer, role, array, position)


def _dims(layer: Layer) -> tuple[int, int, int]:
    return (layer.output.c, layer.output.h, layer.output.w)


def _normalized(
    build: GraphBuilder, layer: Layer, value: ir.Value, dims: tuple[int, ...], weights: Weighted
) -> ir.Value:
    parameters = [weights.bind(build, layer, role) for role in ("scale", "shift")]
    parameters += [weights.bind(build, layer, role) for role in ("mean", "variance")]
    return build.emit(
        layer,
        "bn",
        "BatchNormalization",
        (value, *parameters),
        dims,
        {"epsilon": EPSILON[weights.normalization]},
    )


def _convolutional(
    build: GraphBuilder, layer: Layer, value: ir.Value, weights: Weighted
) -> ir.Value:
    numbers = layer.numbers
    pad = numbers["padding"] * numbers["dilation"]
    value = build.as_image(layer, value, layer.input, "image")
    inputs = [value, weights.bind(build, layer, "weight")]
    if not numbers["batch_normalize"]:
        inputs.append(weights.bind(build, layer, "bias"))
    value = build.emit(
        layer,
        "conv",
        "Conv",
        inputs,
        _dims(layer),
        {
            "kernel_shape": [numbers["size"]] * 2,
            "strides": [numbers["stride_y"], numbers["stride_x"]],
            "pads": [pad] * 4,
            "dilations": [numbers["dilation"]] * 2,
            "group": numbers["groups"],
        },
    )
    if numbers["batch_normalize"]:
        value = _normalized(build, layer, value, _dims(layer), weights)
    return value


def _deconvolutional(
    build: GraphBuilder, layer: Layer, value: ir.Value, weights: Weighted
) -> ir.Value:
    numbers = layer.numbers
    value = build.as_image(layer, value, layer.input, "image")
    inputs = [value, weights.bind(build, layer, "weight")]
    if not numbers["batch_normalize"]:
        inputs.append(weights.bind(build, layer, "bias"))
    value = build.emit(
        layer,
        "deconv",
        "ConvTranspose",
        inputs,
        _dims(layer),
        {
            "kernel_shape": [numbers["size"]] * 2,
            "strides": [numbers["stride_y"], numbers["stride_x"]],
            "pads": [numbers["padding"]] * 4,
        },
    )
    if numbers["batch_normalize"]:
        value = _normalized(build, layer, value, _dims(layer), weights)
    return value


def _connected(build: GraphBuilder, layer: Layer, value: ir.Value, weights: Weighted) -> ir.Value:
    """Fully connected; the vector becomes a 1x1 image only where an image is asked for."""
    count = layer.output.c
    value = build.as_vector(layer, value, layer.input, "flatten")
    inputs = [value, weights.bind(build, layer, "weight")]
    if not layer.numbers["batch_normalize"]:
        inputs.append(weights.bind(build, layer, "bias"))
    value = build.emit(layer, "gemm", "Gemm", inputs, (count,), {"transB": 1})
    if layer.numbers["batch_normalize"]:
        value = _normalized(build, layer, value, (count,), weights)
    return value


def _batchnorm(build: GraphBuilder, layer: Layer, value: ir.Value, weights: Weighted) -> ir.Value:
    value = build.as_image(layer, value, layer.input, "image")
    if any(blob.role == "shift" for blob in layer.blobs):
        return _normalized(build, layer, value, _dims(layer), weights)
    shift = build.constant(layer, "shift", np.zeros(layer.input.c, np.float32))
    parameters = [weights.bind(build, layer, role) for role in ("mean", "variance")]
    return build.emit(
        layer,
        "bn",
        "BatchNormalization",
        (value, weights.bind(build, layer, "scale"), shift, *parameters),
        _dims(layer),
        {"epsilon": EPSILON[weights.normalization]},
    )


WEIGHTED: dict[str, Callable[[GraphBuilder, Layer, ir.Value, Weighted], ir.Value]] = {
    "convolutional": _convolutional,
    "deconvolutional": _deconvolutional,
    "connected": _connected,
    "batchnorm": _batchnorm,
}
