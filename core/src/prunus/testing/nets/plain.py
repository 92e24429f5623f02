"""Chains: VGG, LeNet, AlexNet, and activations for which f(0) is not 0."""

from __future__ import annotations

import onnx_ir as ir

from prunus.testing.nets.builder import Builder


def vgg(seed: int) -> ir.Model:
    """Pairs of 3×3 convolutions, then fully connected layers (Simonyan & Zisserman, 2014)."""
    b = Builder(seed)
    x = b.input()
    for width in (8, 12, 16):
        for _ in range(2):
            x = b.act(b.conv(x, width))
        x = b.pool(x)
    x = b.act(b.gemm(b.flatten(x), 24))
    return b.model(b.gemm(b.act(b.gemm(x, 24)), 5))


def vgg_bn(seed: int) -> ir.Model:
    """The same with BatchNormalization and a classifier behind global pooling."""
    b = Builder(seed)
    x = b.input()
    for width in (8, 12, 16):
        for _ in range(2):
            x = b.act(b.bn(b.conv(x, width, bias=False)))
        x = b.pool(x)
    return b.model(b.gemm(b.flatten(b.global_pool(x)), 5))


def lenet(seed: int) -> ir.Model:
    """Convolutions that flatten into fully connected layers (LeCun et al., 1998)."""
    b = Builder(seed)
    x = b.pool(b.conv(b.input(1, 16), 8, 5, pad=0))
    x = b.pool(b.conv(x, 12, 3, pad=0))
    x = b.act(b.gemm(b.flatten(x), 20))
    x = b.gemm(x, 10)
    return b.model(b.node("Softmax", "prob", [x], (10,), {"axis": 1}))


def alexnet_lrn(seed: int) -> ir.Model:
    """LRN across channels and convolutions in two groups (Krizhevsky et al., 2012)."""
    b = Builder(seed)
    x = b.pool(b.lrn(b.act(b.conv(b.input(3, 24), 12, 5, 2))), kernel=3)
    x = b.pool(b.lrn(b.act(b.conv(x, 16, 5, group=2))), kernel=3, pad=1)
    x = b.act(b.conv(x, 16))
    x = b.act(b.conv(x, 12, group=2))
    x = b.act(b.gemm(b.flatten(x), 16))
    return b.model(b.gemm(x, 5))


def activations(seed: int) -> ir.Model:
    """Activations one after the other; many give something other than 0 for 0."""
    b = Builder(seed)
    x = b.input()
    x = b.prelu(b.bn(b.conv(x, 8)))
    x = b.act(b.conv(x, 10), "Sigmoid")
    x = b.act(b.bn(b.conv(x, 8)), "Softplus")
    x = b.conv(x, 12)
    x = b.mul(x, b.act(b.act(x, "Softplus"), "Tanh"))  # Mish, Misra 2019
    x = b.act(b.conv(x, 9, stride=2), "LeakyRelu", alpha=0.1)
    x = b.act(b.conv(x, 8), "Elu", alpha=0.7)
    x = b.act(b.conv(x, 8), "HardSigmoid", alpha=0.2, beta=0.5)
    x = b.act(b.conv(x, 8), "Exp")
    x = b.pool(b.act(b.conv(x, 8), "HardSwish"), "AveragePool")
    x = b.act(b.gemm(b.flatten(x), 12), "Sigmoid")
    return b.model(b.gemm(x, 5))
