"""Normalisations."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from prunus.plugin import ModelError
from prunus_tensorflow.keras_model.rules.context import Rule, Site, channels, perm_of
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def batch(site: Site, x: Dynamic) -> Dynamic:
    """``BatchNormalization``; absent scale and shift are constants without binding."""
    layer = site.layer
    if site.keywords.get("training"):
        raise Unlowerable("it is called with training=True")
    if getattr(layer, "renorm", False):
        raise Unlowerable("it renormalises batches (renorm)")
    rank = len(x.shape)
    axis = int(layer.axis) % rank
    rest = [other for other in range(1, rank) if other != axis]
    moved = site.arranged(x, (0, axis, *rest))
    count = channels(moved)
    scale = (
        site.weight(layer.gamma, "scale", (0,))
        if layer.scale
        else site.constant("scale", np.ones(count))
    )
    shift = (
        site.weight(layer.beta, "shift", (0,))
        if layer.center
        else site.constant("shift", np.zeros(count))
    )
    mean = site.weight(layer.moving_mean, "mean", (0,))
    variance = site.weight(layer.moving_variance, "variance", (0,))
    return site.same(
        "BatchNormalization", moved, scale, shift, mean, variance, epsilon=float(layer.epsilon)
    )


def layer_norm(site: Site, x: Dynamic) -> Dynamic:
    """``LayerNormalization`` over the last native axes."""
    layer = site.layer
    if getattr(layer, "rms_scaling", False):
        raise Unlowerable("it scales by the root mean square")
    rank = len(x.shape)
    axes = sorted(int(axis) % rank for axis in np.atleast_1d(layer.axis))
    if axes != list(range(rank - len(axes), rank)) or 0 in axes:
        raise Unlowerable(f"it normalises over axes {axes}, which are not the last ones")
    rows = site.native(x)
    perm = tuple(range(len(axes)))
    shape = tuple(x.shape[axis] for axis in axes)
    operands: list[ir.Value] = [
        site.weight(layer.gamma, "scale", perm)
        if layer.scale
        else site.constant("scale", np.ones(shape))
    ]
    if layer.center:
        operands.append(site.weight(layer.beta, "shift", perm))
    return site.same(
        "LayerNormalization", rows, *operands, axis=axes[0], epsilon=float(layer.epsilon)
    )


def group(site: Site, x: Dynamic) -> Dynamic:
    """``GroupNormalization``: InstanceNormalization over rows of channels.

    Its statistics span the channels of a group, so none of them can go.
    """
    layer = site.layer
    rank = len(x.shape)
    axis = int(layer.axis) % rank
    rest = [other for other in range(1, rank) if other != axis]
    moved = site.arranged(x, (0, axis, *rest))
    count = channels(moved)
    groups = count if layer.groups == -1 else int(layer.groups)
    site.freeze(f"'{site.name}' (GroupNormalization) mixes its channels", moved)
    size = math.prod(moved.shape[axis] for axis in moved.perm[1:]) // groups
    rows = site.emit(
        "Reshape",
        [moved.value, site.numbers("rows", (0, groups, size))],
        (x.shape[0], groups, size),
        (0, 1, 2),
    )
    ones, zeros = site.constant("ones", np.ones(groups)), site.constant("zeros", np.zeros(groups))
    even = site.same("InstanceNormalization", rows, ones, zeros, epsilon=float(layer.epsilon))
    sizes = [moved.shape[axis] for axis in moved.perm[1:]]
    result = site.emit(
        "Reshape", [even.value, site.numbers("shape", (0, *sizes))], x.shape, moved.perm
    )
    padded = perm_of(rank, True)
    if layer.scale:
        result = site.same("Mul", result, site.weight(layer.gamma, "scale", padded, squeeze=1))
    if layer.center:
        result = site.same("Add", result, site.weight(layer.beta, "shift", padded, squeeze=1))
    return result


def fixed(site: Site, x: Dynamic) -> Dynamic:
    """``Normalization`` with known statistics: ``(x - mean) / max(std, epsilon)``, or its inverse.

    Source: keras/src/layers/preprocessing/normalization.py. The statistics describe the data,
    so no channel of its input can go.

    Raises:
        ModelError: a variance is negative, or a number is not finite.
    """
    layer = site.layer
    if layer.mean is None or layer.variance is None:
        raise Unlowerable("its statistics are not known")
    mean, variance = (np.asarray(part, np.float32) for part in (layer.mean, layer.variance))
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise ModelError(
            f"layer '{site.name}': its mean and variance are no finite numbers, the variance not "
            "below 0: adapt the layer again"
        )
    spread = np.maximum(np.sqrt(variance), np.float32(1e-7))
    site.freeze(f"feeds '{site.name}' (Normalization)", x)
    rows = site.native(x)
    if layer.invert:
        scaled = site.same("Mul", rows, site.constant("deviation", spread))
        return site.same("Add", scaled, site.constant("mean", mean))
    centred = site.same("Sub", rows, site.constant("mean", mean))
    return site.same("Div", centred, site.constant("deviation", spread))


def rescaling(site: Site, x: Dynamic) -> Dynamic:
    """``Rescaling``: ``x * scale + offset``; one number a channel freezes the channels."""
    scale, offset = (np.asarray(part, np.float32) for part in (site.layer.scale, site.layer.offset))
    if scale.size > 1 or offset.size > 1:
        site.freeze(f"feeds '{site.name}' (Rescaling) with a number for every channel", x)
        x = site.native(x)
    scaled = site.same("Mul", x, site.constant("scale", scale))
    return site.same("Add", scaled, site.constant("offset", offset)) if offset.any() else scaled


RULES: dict[str, Rule] = {
    "BatchNormalization": batch,
    "LayerNormalization": layer_norm,
    "GroupNormalization": group,
    "Normalization": fixed,
    "Rescaling": rescaling,
}
