"""Transformers: ViT with one layer for queries, keys and values, BERT with three."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from prunus.graph.inputs import sample_shape
from prunus.testing.nets.builder import Builder

Parts = tuple[ir.Value, ir.Value, ir.Value]
"""Queries, keys and values ``(N, H, T, D)``."""


def vit(seed: int) -> ir.Model:
    """Patches, two blocks normalised before (Dosovitskiy et al., ICLR 2021)."""
    b = Builder(seed)
    x = patches(b, b.input(), 12)
    for heads in (3, 2):
        x = b.add(x, attention(b, layer_norm(b, x), heads, unbound))
        x = b.add(x, perceptron(b, layer_norm(b, x), 20))
    return b.model(classifier(b, layer_norm(b, x)))


def bert(seed: int) -> ir.Model:
    """Two blocks normalised behind (Devlin et al., NAACL 2019), one with a bias of its scores."""
    b = Builder(seed)
    x = patches(b, b.input(), 12)
    for heads, biased in ((3, False), (2, True)):
        x = layer_norm(b, b.add(x, attention(b, x, heads, separate, biased=biased)))
        x = layer_norm(b, b.add(x, perceptron(b, x, 20)))
    return b.model(classifier(b, x))


def patches(b: Builder, x: ir.Value, width: int) -> ir.Value:
    """Patches of 4 × 4 as positions ``(N, T, C)``, and what is learned about each position."""
    x = b.conv(x, width, 4, 4, pad=0)
    places = int(np.prod(sample_shape(x)[1:]))
    x = b.transpose(b.reshape(x, width, places), 0, 2, 1)
    learned = b.weight("positions/shift", b.normal((1, places, width), 0.3))
    return b.node("Add", "positions", [x, learned], (places, width))


def classifier(b: Builder, x: ir.Value) -> ir.Value:
    """Classes of the mean over positions."""
    width = sample_shape(x)[-1]
    return b.gemm(b.node("ReduceMean", "mean", [x], (width,), {"axes": [1], "keepdims": 0}), 5)


def perceptron(b: Builder, x: ir.Value, width: int, *, gated: bool = False) -> ir.Value:
    """Two layers; ``gated``: the first is a product of two (Shazeer, GLU variants, 2020)."""
    inner = b.act(linear(b, x, width), "Tanh")
    inner = b.mul(inner, linear(b, x, width)) if gated else inner
    return linear(b, inner, sample_shape(x)[-1])


def linear(b: Builder, x: ir.Value, width: int) -> ir.Value:
    """Fully connected along the last axis, as exporters write it: a product and a sum."""
    name = b.named("linear")
    *space, inputs = sample_shape(x)
    weight = b.weight(f"{name}/weight", b.normal((inputs, width), float(np.sqrt(1 / inputs))))
    bias = b.weight(f"{name}/bias", b.normal((width,), 0.3))
    made = b.node("MatMul", name, [x, weight], (*space, width))
    return b.node("Add", f"{name}/add", [made, bias], (*space, width))


def layer_norm(b: Builder, x: ir.Value) -> ir.Value:
    """Normalised along the last axis (Ba et al., 2016), opset 17."""
    name, width = b.named("norm"), sample_shape(x)[-1]
    scale = b.weight(f"{name}/scale", b.uniform(width))
    shift = b.weight(f"{name}/shift", b.normal((width,), 0.3))
    return b.node("LayerNormalization", name, [x, scale, shift], sample_shape(x), {"axis": -1})


def attention(
    b: Builder,
    x: ir.Value,
    heads: int,
    parts: Callable[[Builder, ir.Value, int], Parts],
    *,
    biased: bool = False,
) -> ir.Value:
    """Scaled attention over positions, and a layer over what all heads make.

    Args:
        b: The graph.
        x: ``(N, T, C)``.
        heads: Their number.
        parts: How queries, keys and values are made.
        biased: A number is learned for each head and pair of positions.
    """
    places, width = sample_shape(x)
    query, key, value = parts(b, x, heads)
    scale = b.weight(b.named("scale"), np.array(sample_shape(query)[-1] ** -0.5, np.float32))
    scores = product(b, query, b.transpose(key, 0, 1, 3, 2))
    scores = b.node("Mul", b.named("scaled"), [scores, scale], sample_shape(scores))
    if biased:
        name = b.named("biased")
        learned = b.weight(f"{name}/shift", b.normal((1, heads, places, places), 0.5))
        scores = b.node("Add", name, [scores, learned], sample_shape(scores))
    shares = b.node("Softmax", b.named("softmax"), [scores], sample_shape(scores), {"axis": -1})
    mixed = b.transpose(product(b, shares, value), 0, 2, 1, 3)
    whole = b.reshape(mixed, places, int(np.prod(sample_shape(mixed)[1:])))
    return linear(b, whole, width)


def product(b: Builder, left: ir.Value, right: ir.Value) -> ir.Value:
    """Of two computed values, head by head."""
    shape = (*sample_shape(left)[:-1], sample_shape(right)[-1])
    return b.node("MatMul", b.named("product"), [left, right], shape)


def separate(b: Builder, x: ir.Value, heads: int) -> Parts:
    """A layer for each."""
    query, key, value = (linear(b, x, sample_shape(x)[-1]) for _ in range(3))
    return _split(b, query, heads), _split(b, key, heads), _split(b, value, heads)


def chunked(b: Builder, x: ir.Value, heads: int) -> Parts:
    """One layer, cut into three along its channels."""
    width = sample_shape(x)[-1]
    query, key, value = b.split(linear(b, x, 3 * width), width, width, width, axis=2)
    return _split(b, query, heads), _split(b, key, heads), _split(b, value, heads)


def unbound(b: Builder, x: ir.Value, heads: int) -> Parts:
    """One layer, whose channels get an axis for the three and one for the heads."""
    places, width = sample_shape(x)
    three = b.reshape(linear(b, x, 3 * width), places, 3, heads, width // heads)
    three = b.transpose(three, 0, 2, 3, 1, 4)
    found = []
    for part in range(3):
        name = b.named("part")
        index = b.operand(name, "index", part)
        shape = (heads, places, width // heads)
        found.append(b.node("Gather", name, [three, index], shape, {"axis": 1}))
    return found[0], found[1], found[2]


def interleaved(b: Builder, x: ir.Value, heads: int) -> Parts:
    """One layer; each head has its three behind each other (as in GPT-NeoX)."""
    places, width = sample_shape(x)
    own = width // heads
    whole = b.reshape(linear(b, x, 3 * width), places, heads, 3 * own)
    query, key, value = b.split(b.transpose(whole, 0, 2, 1, 3), own, own, own, axis=3)
    return query, key, value


def turned(b: Builder, x: ir.Value, heads: int) -> Parts:
    """Queries and keys turned by their positions (Su et al., RoFormer, 2021)."""
    query, key, value = separate(b, x, heads)
    return _rotated(b, query), _rotated(b, key), value


def _rotated(b: Builder, x: ir.Value) -> ir.Value:
    _, places, own = sample_shape(x)
    angles = np.outer(np.arange(places), 0.5 ** np.arange(own // 2))
    angles = np.concatenate([angles, angles], 1).astype(np.float32)
    name, shape = b.named("rotary"), sample_shape(x)
    first, second = b.split(x, own // 2, own // 2, axis=3)
    moved = [b.act(second, "Neg"), first]
    other = b.node("Concat", f"{name}/joined", moved, shape, {"axis": -1})
    terms = []
    for value, numbers, part in ((x, np.cos(angles), "cosine"), (other, np.sin(angles), "sine")):
        factor = b.weight(f"{name}/{part}", numbers.astype(np.float32))
        terms.append(b.node("Mul", f"{name}/{part}", [value, factor], shape))
    return b.add(*terms)


def _split(b: Builder, x: ir.Value, heads: int) -> ir.Value:
    """``(N, T, C)`` as ``(N, H, T, C/H)``."""
    places, width = sample_shape(x)
    return b.transpose(b.reshape(x, places, heads, width // heads), 0, 2, 1, 3)


PARTS: Mapping[str, Callable[[Builder, ir.Value, int], Parts]] = MappingProxyType(
    {made.__name__: made for made in (separate, chunked, unbound, interleaved, turned)}
)
"""Name -> a way to make queries, keys and values."""
