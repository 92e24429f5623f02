"""Layers that Keras keeps beside its own networks (keras/src/applications)."""

from __future__ import annotations

from collections.abc import Sequence

from prunus_tensorflow.keras_model.rules.context import Join, Rule, Site, perm_of
from prunus_tensorflow.keras_model.rules.merging import elementwise
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def scaled_sum(site: Site, inputs: Sequence[Dynamic]) -> Dynamic:
    """``CustomScaleLayer`` of Inception-ResNet: ``first + second * scale``."""
    first, second = inputs
    scaled = site.same("Mul", second, site.constant("scale", float(site.layer.scale)))
    return elementwise("Add")(site, [first, scaled])


def layer_scale(site: Site, x: Dynamic) -> Dynamic:
    """``LayerScale`` of ConvNeXt: one factor a channel, on the last axis."""
    rank = len(x.shape)
    moved = site.arranged(x, perm_of(rank, True)) if rank > 2 else x
    gamma = site.weight(site.layer.gamma, "scale", perm_of(rank, True), squeeze=1)
    return site.same("Mul", moved, gamma)


def stochastic_depth(site: Site, x: Dynamic) -> Dynamic:
    """``StochasticDepth``: the identity at inference."""
    if site.keywords.get("training"):
        raise Unlowerable("it is called with training=True")
    return x


RULES: dict[str, Rule] = {"LayerScale": layer_scale, "StochasticDepth": stochastic_depth}
JOINS: dict[str, Join] = {"CustomScaleLayer": scaled_sum}
