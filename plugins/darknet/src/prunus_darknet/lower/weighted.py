"""Lowering of the layers with weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np
import onnx_ir as ir

from prunus_darknet.lower.builder import Attributes, LayerBuilder, sides
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

    def bind(self, build: LayerBuilder, layer: Layer, role: str) -> ir.Value:
        """The initializer of one role; of the owner's where weights are shared."""
        owner = layer.numbers.get("share")
        name = f"{layer.name}/{role}" if owner is None else f"{owner}:{layer.type}/{role}"
        if name in build.initializers:
            return build.initializers[name]
        position = next(i for i, blob in enumerate(layer.blobs) if blob.role == role)
        array = self.arrays[layer.index, position]
        if role == "variance":
            array = graph_variance(array, self.normalization)
        return build.weight(layer.name, role, array, position)


def _normalized(build: LayerBuilder, layer: Layer, value: ir.Value, weights: Weighted) -> ir.Value:
    scale = weights.bind(build, layer, "scale")
    if any(blob.role == "shift" for blob in layer.blobs):
        shift = weights.bind(build, layer, "shift")
    else:  # pjreddie's [batchnorm] has none
        shift = build.constant(f"{layer.name}/shift", np.zeros(layer.input.c, np.float32))
    mean, variance = (weights.bind(build, layer, role) for role in ("mean", "variance"))
    return build.emit(
        layer,
        "bn",
        "BatchNormalization",
        (value, scale, shift, mean, variance),
        sides(value)[1:],
        {"epsilon": EPSILON[weights.normalization]},
    )


def _operands(build: LayerBuilder, layer: Layer, weights: Weighted) -> tuple[ir.Value, ...]:
    """Weight and bias; batch normalisation behind the weight has a shift instead."""
    weight = weights.bind(build, layer, "weight")
    if layer.numbers["batch_normalize"]:
        return (weight,)
    return (weight, weights.bind(build, layer, "bias"))


def _convolutional(
    build: LayerBuilder, layer: Layer, value: ir.Value, weights: Weighted
) -> ir.Value:
    numbers = layer.numbers
    attributes: Attributes = {
        "pads": [numbers["padding"] * numbers["dilation"]] * 4,
        "dilations": [numbers["dilation"]] * 2,
        "group": numbers["groups"],
    }
    return _windowed(build, layer, value, weights, ("conv", "Conv"), attributes)


def _deconvolutional(
    build: LayerBuilder, layer: Layer, value: ir.Value, weights: Weighted
) -> ir.Value:
    attributes = {"pads": [layer.numbers["padding"]] * 4}
    return _windowed(build, layer, value, weights, ("deconv", "ConvTranspose"), attributes)


def _windowed(
    build: LayerBuilder,
    layer: Layer,
    value: ir.Value,
    weights: Weighted,
    operator: tuple[str, str],
    attributes: Attributes,
) -> ir.Value:
    """A step's name and ONNX operator with a window of ``size``, moved by the strides."""
    numbers = layer.numbers
    value = build.as_image(layer, value, layer.input, "image")
    operands = (value, *_operands(build, layer, weights))
    window: Attributes = {
        "kernel_shape": [numbers["size"]] * 2,
        "strides": [numbers["stride_y"], numbers["stride_x"]],
    }
    step, op = operator
    value = build.emit(layer, step, op, operands, layer.output.dims, {**window, **attributes})
    return _normalized(build, layer, value, weights) if numbers["batch_normalize"] else value


def _connected(build: LayerBuilder, layer: Layer, value: ir.Value, weights: Weighted) -> ir.Value:
    """Fully connected; the vector becomes a 1x1 image only where an image is asked for."""
    value = build.as_vector(layer, value, layer.input, "flatten")
    operands = _operands(build, layer, weights)
    value = build.emit(layer, "gemm", "Gemm", (value, *operands), (layer.output.c,), {"transB": 1})
    return _normalized(build, layer, value, weights) if layer.numbers["batch_normalize"] else value


def _batchnorm(build: LayerBuilder, layer: Layer, value: ir.Value, weights: Weighted) -> ir.Value:
    value = build.as_image(layer, value, layer.input, "image")
    return _normalized(build, layer, value, weights)


WEIGHTED: dict[str, Callable[[LayerBuilder, Layer, ir.Value, Weighted], ir.Value]] = {
    "convolutional": _convolutional,
    "deconvolutional": _deconvolutional,
    "connected": _connected,
    "batchnorm": _batchnorm,
}
