"""Window sizes as Caffe's convolution and pooling parameters spell them."""

from __future__ import annotations

from typing import Any

import attrs

from prunus_caffe.lower.builder import BarrierError, Builder
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]


@attrs.frozen
class Window:
    """Kernel, stride, padding and dilation of every spatial axis."""

    kernel: Dims
    stride: Dims
    pad: Dims
    dilation: Dims


def convolution_window(layer: LayerRecord, build: Builder, rank: int) -> Window:
    """``BaseConvolutionLayer::LayerSetUp``: a list, one number for all, or ``_h`` and ``_w``."""
    param = layer.params.convolution_param
    kernel = _axes(layer, build, param, "kernel_size", "kernel", rank, None)
    return Window(
        kernel,
        _axes(layer, build, param, "stride", "stride", rank, 1),
        _axes(layer, build, param, "pad", "pad", rank, 0),
        _axes(layer, build, param, "dilation", "", rank, 1),
    )


def pooling_window(layer: LayerRecord, build: Builder) -> Window:
    """``PoolingLayer::LayerSetUp``."""
    param = layer.params.pooling_param
    kernel = _pair(param, "kernel_size", "kernel")
    if 0 in kernel:
        raise build.error(layer, "expected a 'kernel_size' of at least 1 in pooling_param")
    stride = _pair(param, "stride", "stride")
    if 0 in stride:
        raise build.error(layer, "expected a 'stride' of at least 1 in pooling_param")
    return Window(kernel, stride, _pair(param, "pad", "pad"), (1, 1))


def _pair(param: Any, both: str, stem: str) -> Dims:
    if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
        return int(getattr(param, f"{stem}_h")), int(getattr(param, f"{stem}_w"))
    return (int(getattr(param, both)),) * 2


def _axes(
    layer: LayerRecord, build: Builder, param: Any,
    field: str, stem: str, rank: int, default: int | None,
) -> Dims:  # fmt: skip
    given = tuple(int(size) for size in getattr(param, field))
    if stem and (param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w")):
        if rank != 2:
            raise BarrierError(f"it uses {stem}_h and {stem}_w on {rank} spatial axes")
        given = int(getattr(param, f"{stem}_h")), int(getattr(param, f"{stem}_w"))
    if not given and default is not None:
        return (default,) * rank
    if len(given) == 1:
        given *= rank
    least = 0 if field == "pad" else 1
    if len(given) != rank or min(given, default=0) < least:
        raise build.error(
            layer, f"expected one '{field}' or {rank}, each at least {least}, in convolution_param"
        )
    return given
