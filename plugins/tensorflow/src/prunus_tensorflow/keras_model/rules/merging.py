"""Layers of several inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunus_tensorflow.keras_model.rules.context import Join, Site
from prunus_tensorflow.lower.tensors import BATCH, Dynamic, Unlowerable


def elementwise(op: str) -> Join:
    """A broadcasting operator of any number of inputs."""

    def merge(site: Site, inputs: Sequence[Dynamic]) -> Dynamic:
        if len(inputs) == 1:
            return inputs[0]
        aligned = _aligned(site, inputs)
        shape = _broadcast([x.shape for x in aligned])
        perm = aligned[0].perm
        values = [x.value for x in aligned]
        if op not in ("Add", "Mul", "Sub"):  # the others take any number of operands
            return site.emit(op, values, shape, perm)
        result = aligned[0]
        for other in aligned[1:]:
            partial = _broadcast([result.shape, other.shape])
            result = site.emit(op, [result.value, other.value], partial, perm)
        return result

    return merge


def concatenate(site: Site, inputs: Sequence[Dynamic]) -> Dynamic:
    """Along a native axis."""
    if len(inputs) == 1:
        return inputs[0]
    perm = _common_perm(inputs)
    moved = [site.arranged(x, perm) for x in inputs]
    axis = int(site.layer.axis) % len(perm)
    if axis == 0:
        raise Unlowerable("it joins along the batch")
    shape = list(inputs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in inputs)
    return site.emit("Concat", [x.value for x in moved], shape, perm, axis=perm.index(axis))


def _common_perm(inputs: Sequence[Dynamic]) -> tuple[int, ...]:
    """The order most inputs are in; on a tie the one that is not native."""
    perms = [x.perm for x in inputs]
    return max(perms, key=lambda perm: (perms.count(perm), perm != tuple(range(len(perm)))))


def _aligned(site: Site, inputs: Sequence[Dynamic]) -> list[Dynamic]:
    """Same rank (unit axes go behind the batch, as in Keras' ``_Merge``) and same order."""
    rank = max(len(x.shape) for x in inputs)
    padded = [_padded(site, x, rank) for x in inputs]
    perm = _common_perm([x for x in padded if _varies(x)] or padded)
    return [site.arranged(x, perm) for x in padded]


def _varies(x: Dynamic) -> bool:
    return sum(size > 1 for size in x.shape[1:]) > 1


def _padded(site: Site, x: Dynamic, rank: int) -> Dynamic:
    missing = rank - len(x.shape)
    if not missing:
        return x
    rows = site.native(x)
    shape = (x.shape[0], *(1,) * missing, *x.shape[1:])
    operand = site.numbers("shape", (0, *shape[1:]))
    return site.emit("Reshape", [rows.value, operand], shape, range(rank))


def _broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    try:
        return tuple(np.broadcast_shapes(*(tuple(shape) for shape in shapes)))
    except ValueError as error:
        text = ", ".join(str(["N" if n == BATCH else n for n in shape]) for shape in shapes)
        raise Unlowerable(f"its inputs of shapes {text} do not fit each other") from error


JOINS: dict[str, Join] = {
    "Add": elementwise("Add"),
    "Subtract": elementwise("Sub"),
    "Multiply": elementwise("Mul"),
    "Average": elementwise("Mean"),
    "Maximum": elementwise("Max"),
    "Minimum": elementwise("Min"),
    "Concatenate": concatenate,
}
