"""Convolutions: Conv1D/2D/3D, DepthwiseConv1D/2D, SeparableConv1D/2D."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from prunus_tensorflow.keras_model.rules.activation import activated, check_activation
from prunus_tensorflow.keras_model.rules.context import (
    Rule,
    Site,
    channels,
    images,
    last,
    shape_of,
    spatial,
)
from prunus_tensorflow.keras_model.rules.windows import Window, window
from prunus_tensorflow.lower.tensors import Dynamic


def convolution(site: Site, x: Dynamic) -> Dynamic:
    """Kernel (k…, I/g, O) -> (O, I/g, k…)."""
    layer = site.layer
    check_activation(layer.activation)
    moved = images(site, x)
    rank = len(layer.kernel_size)
    view = _window(site, moved, layer.kernel_size, layer.strides)
    kernel = site.weight(layer.kernel, "weight", (rank + 1, rank, *range(rank)))
    result = _conv(site, moved, view, kernel, layer.filters, layer.groups, _bias(site))
    return activated(site, result, layer.activation)


def depthwise(site: Site, x: Dynamic) -> Dynamic:
    """Kernel (k…, C, M) -> (C * M, 1, k…), C groups."""
    layer = site.layer
    check_activation(layer.activation)
    moved = images(site, x)
    count = channels(moved)
    view = _window(site, moved, layer.kernel_size, layer.strides)
    kernel = site.weight(layer.kernel, "weight", _depthwise_perm(site), depthwise=True)
    made = count * layer.depth_multiplier
    result = _conv(site, moved, view, kernel, made, count, _bias(site))
    return activated(site, result, layer.activation)


def separable(site: Site, x: Dynamic) -> Dynamic:
    """A depthwise convolution without bias, then one of kernel size one."""
    layer = site.layer
    check_activation(layer.activation)
    moved = images(site, x)
    count, rank = channels(moved), len(layer.kernel_size)
    view = _window(site, moved, layer.kernel_size, layer.strides)
    deep = site.weight(
        layer.depthwise_kernel,
        "weight",
        _depthwise_perm(site),
        label="depthwise_weight",
        depthwise=True,
    )
    middle = _conv(site, moved, view, deep, count * layer.depth_multiplier, count, None)
    ones = (1,) * rank
    point = site.weight(
        layer.pointwise_kernel, "weight", (rank + 1, rank, *range(rank)), label="pointwise_weight"
    )
    flat = window(view.sizes, ones, ones, ones, "valid")
    result = _conv(site, middle, flat, point, layer.filters, 1, _bias(site))
    return activated(site, result, layer.activation)


def _depthwise_perm(site: Site) -> tuple[int, ...]:
    rank = len(site.layer.kernel_size)
    return (rank, rank + 1, *range(rank))


def _window(site: Site, moved: Dynamic, kernel: Sequence[int], strides: Sequence[int]) -> Window:
    layer = site.layer
    return window(spatial(moved), kernel, strides, layer.dilation_rate, layer.padding)


def _bias(site: Site) -> ir.Value | None:
    layer = site.layer
    return site.weight(layer.bias, "bias", (0,)) if layer.use_bias else None


def _conv(
    site: Site,
    x: Dynamic,
    view: Window,
    kernel: ir.Value,
    made: int,
    groups: int,
    bias: ir.Value | None,
) -> Dynamic:
    operands = [x.value, kernel] + ([] if bias is None else [bias])
    shape = shape_of(x.shape[0], made, view.sizes, last(site.layer))
    return site.emit(
        "Conv",
        operands,
        shape,
        x.perm,
        **view.attributes(),
        dilations=list(view.dilations),
        group=groups,
    )


RULES: dict[str, Rule] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), separable),
}
