"""Sums and products of paths: ResNet, ResNeXt, squeeze-and-excite, DenseNet."""

from __future__ import annotations

import onnx_ir as ir

from prunus.graph.inputs import sample_shape
from prunus.testing.nets.builder import Builder


def resnet_identity(seed: int) -> ir.Model:
    """Basic blocks of one width (He et al., CVPR 2016)."""
    b = Builder(seed)
    x = _stem(b, 12)
    for _ in range(3):
        x = b.act(b.add(_pair(b, x, 12), x))
    return _head(b, x)


def resnet_projection(seed: int) -> ir.Model:
    """Option B: 1×1 convolutions where the width changes."""
    b = Builder(seed)
    x = _stem(b, 8)
    for width, stride in ((8, 1), (12, 2), (16, 2)):
        short = x if width == sample_shape(x)[0] else b.bn(b.conv(x, width, 1, stride, bias=False))
        x = b.act(b.add(_pair(b, x, width, stride), short))
        x = b.act(b.add(_pair(b, x, width), x))
    return _head(b, x)


def resnet_padded(seed: int) -> ir.Model:
    """Option A: every second position, zero channels around (the CIFAR-10 nets)."""
    b = Builder(seed)
    x = _stem(b, 8)
    for width in (8, 12, 16):
        if width != (before := sample_shape(x)[0]):
            size = sample_shape(x)[1]
            short = b.slice(x, (2, 3), (0, 0), (size, size), step=2)
            short = b.pad_channels(short, (width - before) // 2, (width - before) // 2)
            x = b.act(b.add(_pair(b, x, width, 2), short))
        x = b.act(b.add(_pair(b, x, width), x))
    return _head(b, x)


def resnet_preact(seed: int) -> ir.Model:
    """Normalisation before the convolutions, nothing behind the sum (He et al., ECCV 2016)."""
    b = Builder(seed)
    x = b.conv(b.input(), 12, bias=False)
    for _ in range(2):
        y = b.conv(b.act(b.bn(x)), 10, bias=False)
        x = b.add(b.conv(b.act(b.bn(y)), 12, bias=False), x)
    return _head(b, b.act(b.bn(x)))


def resnet_bottleneck(seed: int) -> ir.Model:
    """1×1, 3×3, 1×1 with a projection."""
    b = Builder(seed)
    return _head(b, _bottleneck(b, _bottleneck(b, _stem(b, 8), 6, 16, 1), 6, 16, 1))


def resnext(seed: int) -> ir.Model:
    """Bottlenecks with grouped 3×3 convolutions (Xie et al., CVPR 2017)."""
    b = Builder(seed)
    return _head(b, _bottleneck(b, _bottleneck(b, _stem(b, 8), 16, 16, 4), 16, 16, 4))


def se_conv(seed: int) -> ir.Model:
    """SE-ResNet with 1×1 convolutions in the gate (Hu et al., CVPR 2018)."""
    b = Builder(seed)
    x = _stem(b, 12)
    for _ in range(2):
        y = _pair(b, x, 12)
        gate = b.act(b.conv(b.global_pool(y), 6, 1))
        x = b.act(b.add(b.mul(y, b.act(b.conv(gate, 12, 1), "Sigmoid")), x))
    return _head(b, x)


def se_gemm(seed: int) -> ir.Model:
    """The same with fully connected layers in the gate."""
    b = Builder(seed)
    x = _stem(b, 12)
    for _ in range(2):
        y = _pair(b, x, 12)
        gate = b.act(b.gemm(b.flatten(b.global_pool(y)), 6))
        gate = b.reshape(b.act(b.gemm(gate, 12), "Sigmoid"), 12, 1, 1)
        x = b.act(b.add(b.mul(y, gate), x))
    return _head(b, x)


def densenet(seed: int) -> ir.Model:
    """Each layer reads all before it; transitions halve (Huang et al., CVPR 2017)."""
    b = Builder(seed)
    x = b.conv(b.input(), 8, bias=False)
    for block in range(2):
        for _ in range(3):
            y = b.conv(b.act(b.bn(x)), 8, 1, bias=False)
            x = b.concat(x, b.conv(b.act(b.bn(y)), 4, bias=False))
        if block == 0:
            x = b.pool(b.conv(b.act(b.bn(x)), 10, 1, bias=False), "AveragePool")
    return _head(b, b.act(b.bn(x)))


def _stem(b: Builder, width: int) -> ir.Value:
    return b.act(b.bn(b.conv(b.input(), width, bias=False)))


def _head(b: Builder, x: ir.Value) -> ir.Model:
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def _pair(b: Builder, x: ir.Value, width: int, stride: int = 1) -> ir.Value:
    y = b.act(b.bn(b.conv(x, width, stride=stride, bias=False)))
    return b.bn(b.conv(y, width, bias=False))


def _bottleneck(b: Builder, x: ir.Value, inner: int, width: int, group: int) -> ir.Value:
    y = b.act(b.bn(b.conv(x, inner, 1, bias=False)))
    y = b.act(b.bn(b.conv(y, inner, group=group, bias=False)))
    y = b.bn(b.conv(y, width, 1, bias=False))
    short = x if sample_shape(x)[0] == width else b.bn(b.conv(x, width, 1, bias=False))
    return b.act(b.add(y, short))
