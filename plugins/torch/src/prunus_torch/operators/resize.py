"""Resize: nearest, linear and cubic, one axis after the other.

Semantics: onnx.ai/onnx/operators/onnx__Resize.html. Every output element of an axis is
a weighted sum of few input elements, so an axis is some gathers and additions.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.node import Builder, Node, Operation

Coordinates = NDArray[Any]

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Positions and weights, both ``(taps, output size)``."""


@attrs.frozen
class Style:
    """How output positions look into the input.

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        coordinates: ``coordinate_transformation_mode``.
        rounding: ``nearest_mode``.
        cubic: ``cubic_coeff_a``.
        exclude: ``exclude_outside``: taps outside the input do not count.
    """

    mode: str
    coordinates: str
    rounding: str
    cubic: float
    exclude: bool


def _resize(node: Node) -> Operation:
    style = Style(
        node.get("mode", "nearest"),
        node.get("coordinate_transformation_mode", "half_pixel"),
        node.get("nearest_mode", "round_prefer_floor"),
        node.get("cubic_coeff_a", -0.75),
        bool(node.get("exclude_outside", 0)),
    )
    _check(node, style)
    scales, sizes = node.floats(2), node.integers(3)
    axes = node.get("axes")
    prepared: dict[tuple[int, ...], list[tuple[int, Taps]]] = {}

    def run(
        x: Tensor, _: Tensor | None = None, __: Tensor | None = None, s: Tensor | None = None
    ) -> Tensor:
        shape = tuple(x.shape[1:])
        along = tuple(range(x.ndim)) if axes is None else tuple(axis % x.ndim for axis in axes)
        if shape not in prepared:
            given = None if sizes is None or scales is not None else sizes(s)
            prepared[shape] = _plan(x, along, scales, given, style)
        whole = _whole_factor(x, prepared[shape], style)
        if whole is not None:
            return functional.interpolate(x, scale_factor=whole, mode="nearest")
        for axis, taps in prepared[shape]:
            x = _apply(x, axis, taps)
        return x

    return run


def _check(node: Node, style: Style) -> None:
    if style.mode not in ("nearest", "linear", "cubic"):
        raise node.refuse(f"mode '{style.mode}'")
    if style.coordinates not in (
        "half_pixel",
        "pytorch_half_pixel",
        "asymmetric",
        "align_corners",
    ):
        raise node.refuse(f"coordinate_transformation_mode '{style.coordinates}'")
    if node.get("antialias", 0):
        raise node.refuse("antialias")
    if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.refuse("keep_aspect_ratio_policy")


def _plan(
    x: Tensor,
    axes: tuple[int, ...],
    scales: tuple[float, ...] | None,
    sizes: tuple[int, ...] | None,
    style: Style,
) -> list[tuple[int, Taps]]:
    plan = []
    for position, axis in enumerate(axes):
        size = x.shape[axis]
        if scales is not None:
            scale = scales[position]
            wanted = int(np.floor(size * scale))
        else:
            assert sizes is not None
            wanted = sizes[position]
            scale = wanted / size
        if axis and (wanted != size or scale != 1):
            plan.append((axis, _taps(size, wanted, scale, style)))
    return plan


def _whole_factor(
    x: Tensor, plan: list[tuple[int, Taps]], style: Style
) -> tuple[float, ...] | None:
    """Factors of a nearest upsampling that only repeats elements: torch has it as one step."""
    if x.ndim != 4 or style.mode != "nearest" or {axis for axis, _ in plan} != {2, 3}:
        return None
    factors = []
    for axis, (positions, _) in plan:
        factor, rest = divmod(positions.shape[1], x.shape[axis])
        if rest or not np.array_equal(positions[0], np.arange(positions.shape[1]) // factor):
            return None
        factors.append(float(factor))
    return tuple(factors)


def _taps(size: int, wanted: int, scale: float, style: Style) -> Taps:
    x = _coordinates(size, wanted, scale, style.coordinates)
    if style.mode == "nearest":
        positions = _rounded(x, style.rounding)[None]
        weights = np.ones_like(positions)
    else:
        low = np.floor(x)
        fraction = x - low
        offsets = np.arange(*((0, 2) if style.mode == "linear" else (-1, 3)), dtype=np.float32)
        positions = low[None] + offsets[:, None]
        distance = np.abs(fraction[None] - offsets[:, None])
        weights = 1 - distance if style.mode == "linear" else _cubic(distance, style.cubic)
    if style.exclude and style.mode == "cubic":
        weights = weights * ((positions >= 0) & (positions < size))
        weights = weights / weights.sum(0)
    return np.clip(positions, 0, size - 1).astype(np.int64), weights.astype(np.float32)


def _coordinates(size: int, wanted: int, scale: float, how: str) -> Coordinates:
    # In float32, as ONNX Runtime computes them: rounding decides ties of nearest.
    y = np.arange(wanted, dtype=np.float32)
    factor, half = np.float32(scale), np.float32(0.5)
    if how == "asymmetric":
        return y / factor
    if how == "align_corners":
        return y * np.float32(size - 1) / np.float32(wanted - 1) if wanted > 1 else y
    if how == "pytorch_half_pixel" and wanted == 1:
        return y
    return (y + half) / factor - half


def _rounded(x: Coordinates, how: str) -> Coordinates:
    if how == "floor":
        return np.floor(x)
    if how == "ceil":
        return np.ceil(x)
    if how == "round_prefer_ceil":
        return np.floor(x + np.float32(0.5))
    return np.ceil(x - np.float32(0.5))


def _cubic(distance: Coordinates, a: float) -> Coordinates:
    """Keys' kernel."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _apply(x: Tensor, axis: int, taps: Taps) -> Tensor:
    positions, weights = taps
    shape = (-1, *(1,) * (x.ndim - 1 - axis))
    total: Tensor | None = None
    for where, weight in zip(positions, weights, strict=True):
        part = x.index_select(axis, torch.from_numpy(where).to(x.device))
        if len(positions) > 1:
            part = part * torch.from_numpy(weight).to(x.device).reshape(shape)
        total = part if total is None else total + part
    assert total is not None
    return total


BUILDERS: dict[str, Builder] = {"Resize": _resize}
