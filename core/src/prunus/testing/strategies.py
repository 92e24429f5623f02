"""Hypothesis strategies: small random networks and legal plans for them.

@given(st.data())
def test_my_rule(data):
    network = data.draw(networks())
    grouping = find_groups(network)
    keep = data.draw(plans(grouping.groups))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st
from numpy.typing import NDArray

from prunus.graph.inputs import sample_shape
from prunus.groups import Group
from prunus.network import Network
from prunus.selection import choose_units
from prunus.testing.nets import as_network, attention
from prunus.testing.nets.builder import Builder

Step = Callable[[Builder, st.DrawFn, ir.Value], ir.Value]

WIDTHS = (4, 6, 8, 12)

ACTIVATIONS = (
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "Elu",
    "Softplus",
    "HardSigmoid",
    "HardSwish",
)


@st.composite
def networks(draw: st.DrawFn, steps: int = 6) -> Network:
    """Networks on ``(N, 3, 8, 8)`` of up to ``steps`` building blocks and one of four heads."""
    b = Builder(draw(st.integers(0, 2**16)))
    x = b.conv(b.input(3, 8), draw(st.sampled_from(WIDTHS)))
    for step in draw(st.lists(st.sampled_from(STEPS), max_size=steps)):
        x = step(b, draw, x)
    return as_network(b.model(*draw(st.sampled_from(HEADS))(b, x)))


@st.composite
def transformers(draw: st.DrawFn) -> Network:
    """Up to two blocks of attention and a perceptron over 4 positions of an ``(N, 3, 8, 8)``."""
    b = Builder(draw(st.integers(0, 2**16)))
    heads = draw(st.integers(1, 4))
    x = attention.patches(b, b.input(3, 8), heads * draw(st.sampled_from((2, 4, 6))))
    for _ in range(draw(st.integers(1, 2))):
        x = _block(b, draw, x, heads)
    return as_network(b.model(attention.classifier(b, x)))


def _block(b: Builder, draw: st.DrawFn, x: ir.Value, heads: int) -> ir.Value:
    parts = attention.PARTS[draw(st.sampled_from(sorted(attention.PARTS)))]
    before, biased, gated = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())

    def inner(y: ir.Value) -> ir.Value:
        return attention.attention(b, y, heads, parts, biased=biased)

    for part in (inner, lambda y: attention.perceptron(b, y, 10, gated=gated)):
        read = attention.layer_norm(b, x) if before else x
        x = b.add(x, part(read))
        x = x if before else attention.layer_norm(b, x)
    return x


@st.composite
def plans(
    draw: st.DrawFn, groups: Sequence[Group], largest: float = 0.9
) -> dict[str, NDArray[np.bool_]]:
    """Group name -> ``(C,)`` bool: a ratio for each group, random units, rows kept equal."""
    keep = {}
    for group in groups:
        # some frameworks switch subnormal numbers off for their whole process
        ratio = draw(st.floats(0, largest, allow_subnormal=False))
        scores = np.random.default_rng(draw(st.integers(0, 2**16))).random(group.size)
        keep[group.name] = choose_units(group, scores, round(group.size * (1 - ratio)))
    return keep


def _conv(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    kernel = draw(st.sampled_from((1, 3)))
    return b.conv(x, draw(st.sampled_from(WIDTHS)), kernel, bias=draw(st.booleans()))


def _strided(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    return _conv(b, draw, x) if _small(x) else b.conv(x, draw(st.sampled_from(WIDTHS)), 3, 2)


def _grouped(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    channels = sample_shape(x)[0]
    group = draw(st.sampled_from((2, channels)))
    if channels % 2:
        return x
    out = channels * draw(st.sampled_from((1, 2))) if channels < 16 else channels
    return b.conv(x, out, 3, group=group)


def _normal(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    return b.bn(x)


def _group_normal(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    groups = draw(st.sampled_from((2, 4)))
    return x if sample_shape(x)[0] % groups else b.group_norm(x, groups)


def _activation(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    kind = draw(st.sampled_from((*ACTIVATIONS, "PRelu", "Clip")))
    if kind == "PRelu":
        return b.prelu(x)
    return b.relu6(x) if kind == "Clip" else b.act(x, kind)


def _pool(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    kind = draw(st.sampled_from(("MaxPool", "AveragePool")))
    if _small(x) or draw(st.booleans()):
        return b.pool(x, kind, 3, 1, 1)
    return b.pool(x, kind)


def _residual(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    y = _activation(b, draw, b.conv(x, draw(st.sampled_from(WIDTHS))))
    return b.add(b.conv(y, sample_shape(x)[0], 1), x)


def _projected(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    width = draw(st.sampled_from(WIDTHS))
    return b.add(b.bn(b.conv(x, width)), b.bn(b.conv(x, width, 1)))


def _padded(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    before, after = draw(st.sampled_from(((0, 2), (2, 2), (1, 3))))
    width = sample_shape(x)[0] + before + after
    return b.add(b.conv(x, width), b.pad_channels(x, before, after)) if width < 32 else x


def _joined(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    parts = [b.conv(x, draw(st.sampled_from((2, 4, 6))), 1) for _ in range(2)]
    if draw(st.booleans()) and sample_shape(x)[0] < 24:
        parts.insert(draw(st.integers(0, 2)), x)
    return b.concat(*parts)


def _split(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    channels = sample_shape(x)[0]
    first = draw(st.integers(1, channels - 1))
    left, right = b.split(x, first, channels - first)
    right = _activation(b, draw, b.conv(right, channels - first))
    return b.concat(right, left) if draw(st.booleans()) else b.concat(left, right)


def _sliced(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    channels = sample_shape(x)[0]
    start = draw(st.integers(0, channels // 2))
    end = draw(st.integers(start + 2, channels))
    return b.concat(b.slice(x, (1,), (start,), (end,)), b.conv(x, 4, 1))


def _shuffle(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    return x if sample_shape(x)[0] % 2 else b.shuffle(x, 2)


def _gate(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    gate = b.act(b.conv(b.global_pool(x), 4, 1))
    return b.mul(x, b.act(b.conv(gate, sample_shape(x)[0], 1), "Sigmoid"))


def _up_and_down(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    if _small(x) or sample_shape(x)[1] % 2:
        return x
    low = b.pool(x)
    width = draw(st.sampled_from((4, 6)))
    up = b.deconv(low, width) if draw(st.booleans()) else b.upsample(b.conv(low, width, 1))
    return b.concat(x, up)


def _reorganised(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    if _small(x) or sample_shape(x)[1] % 2:
        return x
    return b.conv(b.space_to_depth(x), draw(st.sampled_from(WIDTHS)), 1)


def _twice(b: Builder, draw: st.DrawFn, x: ir.Value) -> ir.Value:
    return b.add(b.act(x, "Sigmoid"), b.act(x, "Tanh"))


STEPS: tuple[Step, ...] = (
    _conv,
    _strided,
    _grouped,
    _normal,
    _group_normal,
    _activation,
    _pool,
    _residual,
    _projected,
    _padded,
    _joined,
    _split,
    _sliced,
    _shuffle,
    _gate,
    _up_and_down,
    _reorganised,
    _twice,
)


def _convolved(b: Builder, x: ir.Value) -> tuple[ir.Value, ...]:
    return (b.conv(x, 3, 1),)


def _pooled(b: Builder, x: ir.Value) -> tuple[ir.Value, ...]:
    return (b.gemm(b.flatten(b.global_pool(x)), 3),)


def _connected(b: Builder, x: ir.Value) -> tuple[ir.Value, ...]:
    return (b.gemm(b.act(b.gemm(b.flatten(x), 8)), 3),)


def _two_heads(b: Builder, x: ir.Value) -> tuple[ir.Value, ...]:
    return (b.conv(x, 3, 1), b.gemm(b.flatten(b.pool(x, "MaxPool", 3, 1, 1)), 2))


HEADS: tuple[Callable[[Builder, ir.Value], tuple[ir.Value, ...]], ...] = (
    _convolved,
    _pooled,
    _connected,
    _two_heads,
)


def _small(x: ir.Value) -> bool:
    return sample_shape(x)[1] < 4
