"""Many paths and many sizes: GoogLeNet, U-Net and the YOLO forms."""

from __future__ import annotations

import onnx_ir as ir

from prunus.graph.inputs import sample_shape
from prunus.testing.nets.builder import Builder


def googlenet(seed: int) -> ir.Model:
    """Inception modules (Szegedy et al., CVPR 2015), without auxiliary classifiers."""
    b = Builder(seed)
    x = b.pool(b.act(b.conv(b.input(), 8)))
    for _ in range(2):
        x = b.concat(
            b.act(b.conv(x, 6, 1)),
            b.act(b.conv(b.act(b.conv(x, 6, 1)), 8, 3)),
            b.act(b.conv(b.act(b.conv(x, 4, 1)), 6, 5)),
            b.act(b.conv(b.pool(x, "MaxPool", 3, 1, 1), 4, 1)),
        )
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def selective_kernel(seed: int) -> ir.Model:
    """Two kernel sizes weighed by a softmax over branches (Li et al., SKNet, CVPR 2019)."""
    b = Builder(seed)
    x = b.act(b.conv(b.input(), 8))
    width, height = 10, sample_shape(x)[1]
    branches = [b.act(b.bn(b.conv(x, width, kernel, bias=False))) for kernel in (3, 5)]
    both = b.concat(*(b.reshape(branch, 1, width, height, height) for branch in branches))
    gate = b.act(b.gemm(b.flatten(b.global_pool(_over_branches(b, both, "fused"))), 6))
    weights = b.concat(*(b.reshape(b.gemm(gate, width), 1, width, 1, 1) for _ in branches))
    shares = b.act(weights, "Softmax", axis=1)
    x = b.act(b.conv(_over_branches(b, b.mul(both, shares), "chosen"), 8))
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def _over_branches(b: Builder, x: ir.Value, name: str) -> ir.Value:
    inputs = [x, b.operand(name, "axes", [1])]
    return b.node("ReduceSum", name, inputs, sample_shape(x)[1:], {"keepdims": 0})


def unet(seed: int) -> ir.Model:
    """Down, up by transposed convolutions, skips by concat (Ronneberger et al., 2015)."""
    b = Builder(seed)
    x = _double(b, b.input(), 8)
    skips = [x]
    for width in (12, 16):
        x = _double(b, b.pool(x), width)
        skips.append(x)
    for skip in reversed(skips[:-1]):
        width = sample_shape(skip)[0]
        x = _double(b, b.concat(skip, b.deconv(x, width)), width)
    return b.model(b.conv(x, 2, 1))


def yolov2(seed: int) -> ir.Model:
    """Passthrough: early features reorganised and concatenated (Redmon & Farhadi, 2017)."""
    b = Builder(seed)
    early = _block(b, b.pool(_block(b, b.input(), 8)), 12)
    late = _block(b, b.pool(early), 16)
    passed = b.space_to_depth(_block(b, early, 6, 1))
    return b.model(b.conv(_block(b, b.concat(passed, late), 16), 15, 1))


def yolov2_reshape(seed: int) -> ir.Model:
    """The same with the reorganisation written as reshape, transpose, reshape."""
    b = Builder(seed)
    early = _block(b, b.pool(_block(b, b.input(), 8)), 12)
    late = _block(b, b.pool(early), 16)
    passed = _block(b, early, 6, 1)
    channels, height, width = sample_shape(passed)
    passed = b.reshape(passed, channels, height // 2, 2, width // 2, 2)
    passed = b.transpose(passed, 0, 3, 5, 1, 2, 4)
    passed = b.reshape(passed, 4 * channels, height // 2, width // 2)
    return b.model(b.conv(_block(b, b.concat(passed, late), 16), 15, 1))


def yolov3(seed: int) -> ir.Model:
    """Residual blocks, route, upsample, two heads (Redmon & Farhadi, 2018)."""
    b = Builder(seed)
    x = _block(b, b.input(), 8, stride=2)
    x = early = b.add(x, _block(b, _block(b, x, 6, 1), 8))
    x = _block(b, x, 16, stride=2)
    x = b.add(x, _block(b, _block(b, x, 8, 1), 16))
    neck = _block(b, x, 12, 1)
    coarse = b.conv(_block(b, neck, 16), 15, 1)
    up = b.upsample(_block(b, neck, 8, 1))
    fine = b.conv(_block(b, b.concat(up, early), 12), 15, 1)
    return b.model(coarse, fine)


def yolov4_tiny(seed: int) -> ir.Model:
    """Cross-stage blocks: the second half of a route, convolved and joined again."""
    b = Builder(seed)
    x = _block(b, b.input(), 8, stride=2)
    for width in (12, 16):
        x = _block(b, x, width)
        _, half = b.split(x, width // 2, width // 2)
        first = _block(b, half, width // 2)
        second = _block(b, first, width // 2)
        joined = _block(b, b.concat(second, first), width, 1)
        x = b.pool(b.concat(x, joined))
    return b.model(b.conv(_block(b, x, 16), 15, 1))


def _double(b: Builder, x: ir.Value, width: int) -> ir.Value:
    return b.act(b.conv(b.act(b.conv(x, width)), width))


def _block(b: Builder, x: ir.Value, width: int, kernel: int = 3, stride: int = 1) -> ir.Value:
    y = b.bn(b.conv(x, width, kernel, stride, bias=False))
    return b.act(y, "LeakyRelu", alpha=0.1)
