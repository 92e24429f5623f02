"""Nets for small devices: MobileNet, ShuffleNet, SqueezeNet."""

from __future__ import annotations

import onnx_ir as ir

from prunus.graph.inputs import sample_shape
from prunus.testing.nets.builder import Builder


def mobilenet_v1(seed: int) -> ir.Model:
    """Depthwise, then 1×1 (Howard et al., 2017)."""
    b = Builder(seed)
    x = b.act(b.bn(b.conv(b.input(), 8, bias=False)))
    for width, stride in ((12, 1), (16, 2), (16, 1)):
        x = b.act(b.bn(b.depthwise(x, stride)))
        x = b.act(b.bn(b.conv(x, width, 1, bias=False)))
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def mobilenet_v2(seed: int) -> ir.Model:
    """Inverted residuals with linear ends and ReLU6 (Sandler et al., CVPR 2018)."""
    b = Builder(seed)
    x = b.relu6(b.bn(b.conv(b.input(), 8, bias=False)))
    for width, stride in ((8, 1), (12, 2), (12, 1)):
        y = b.relu6(b.bn(b.conv(x, 2 * sample_shape(x)[0], 1, bias=False)))
        y = b.relu6(b.bn(b.depthwise(y, stride)))
        y = b.bn(b.conv(y, width, 1, bias=False))
        x = b.add(x, y) if sample_shape(x) == sample_shape(y) else y
    x = b.relu6(b.bn(b.conv(x, 24, 1, bias=False)))
    return b.model(b.flatten(b.conv(b.global_pool(x), 5, 1)))


def shufflenet_v1(seed: int) -> ir.Model:
    """Grouped 1×1 convolutions with a shuffle between (Zhang et al., CVPR 2018)."""
    b = Builder(seed)
    x = b.act(b.bn(b.conv(b.input(), 8, bias=False)))
    x = _unit_v1(b, x, 24, 2, 2)
    x = _unit_v1(b, x, 24, 1, 2)
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def shufflenet_v2(seed: int) -> ir.Model:
    """Half of the channels pass by, then concat and shuffle (Ma et al., ECCV 2018)."""
    b = Builder(seed)
    x = b.act(b.bn(b.conv(b.input(), 8, bias=False)))
    x = _down_v2(b, x, 12)
    for _ in range(2):
        half = sample_shape(x)[0] // 2
        left, right = b.split(x, half, half)
        x = b.shuffle(b.concat(left, _branch_v2(b, right, half)), 2)
    x = b.act(b.bn(b.conv(x, 16, 1, bias=False)))
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def squeezenet(seed: int) -> ir.Model:
    """Fire modules and a convolution as classifier (Iandola et al., 2016)."""
    b = Builder(seed)
    x = b.pool(b.act(b.conv(b.input(), 8)), kernel=3, pad=1)
    for squeeze, expand in ((6, 8), (6, 8), (8, 10)):
        s = b.act(b.conv(x, squeeze, 1))
        x = b.concat(b.act(b.conv(s, expand, 1)), b.act(b.conv(s, expand, 3)))
    return b.model(b.flatten(b.global_pool(b.act(b.conv(x, 5, 1)))))


def _unit_v1(b: Builder, x: ir.Value, width: int, stride: int, groups: int) -> ir.Value:
    """A unit; at stride 2 the pooled input is concatenated instead of added."""
    channels = sample_shape(x)[0]
    out = width - channels if stride == 2 else width
    y = b.act(b.bn(b.conv(x, 8, 1, group=groups, bias=False)))
    y = b.bn(b.depthwise(b.shuffle(y, groups), stride))
    y = b.bn(b.conv(y, out, 1, group=groups, bias=False))
    if stride == 2:
        return b.act(b.concat(b.pool(x, "AveragePool", 3, 2, 1), y))
    return b.act(b.add(x, y))


def _branch_v2(b: Builder, x: ir.Value, width: int, stride: int = 1) -> ir.Value:
    y = b.act(b.bn(b.conv(x, width, 1, bias=False)))
    y = b.bn(b.depthwise(y, stride))
    return b.act(b.bn(b.conv(y, width, 1, bias=False)))


def _down_v2(b: Builder, x: ir.Value, half: int) -> ir.Value:
    left = b.bn(b.depthwise(x, 2))
    left = b.act(b.bn(b.conv(left, half, 1, bias=False)))
    return b.shuffle(b.concat(left, _branch_v2(b, x, half, 2)), 2)
