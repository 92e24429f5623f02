"""Layers and weights to the neutral graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prunus.plugin import COUNT, ModelError
from prunus_ncnn.blobs import Slot
from prunus_ncnn.lower.activation import SINGLE
from prunus_ncnn.lower.builder import Blob, LayerBuilder, UnsupportedError
from prunus_ncnn.lower.combining import COMBINING
from prunus_ncnn.lower.normalization import NORMALIZATION
from prunus_ncnn.lower.pooling import pooling, reduction
from prunus_ncnn.lower.resizing import crop, interp, padding
from prunus_ncnn.lower.shaping import SHAPING, slices
from prunus_ncnn.lower.weighted import convolution, deconvolution, inner_product
from prunus_ncnn.param import Layer, Structure

ONE = {
    **SINGLE,
    **NORMALIZATION,
    **SHAPING,
    "Convolution": convolution,
    "ConvolutionDepthWise": convolution,
    "Deconvolution": deconvolution,
    "DeconvolutionDepthWise": deconvolution,
    "InnerProduct": inner_product,
    "Pooling": pooling,
    "Reduction": reduction,
}
"""Type -> lowering of one blob to one blob."""

SEVERAL = {**COMBINING, "Crop": crop, "Interp": interp, "Padding": padding}
"""Type -> lowering of blobs to one blob."""

STRUCTURAL = {"Input", "MemoryData", "Slice", "Split"}

ENDS = {"DetectionOutput", "YoloDetectionOutput", "Yolov3DetectionOutput"}
"""Types that decode the answers of a network: what they take are its outputs."""

SIZE_ONLY = {"PriorBox"}
"""Types that look at the height and width of what they take alone."""

WEIGHTLESS = {*ENDS, *SIZE_ONLY, "ArgMax", "Proposal", "PSROIPooling", "ROIAlign", "ROIPooling"}
"""Types that are not lowered and surely keep nothing in the weights file."""


def known(layer: Layer) -> bool:
    """Whether a type is lowered."""
    return layer.kind in ONE or layer.kind in SEVERAL or layer.kind in STRUCTURAL


@dataclass(frozen=True)
class Lowered:
    """The graph under construction with all layers in it.

    Attributes:
        build: The graph.
        blobs: Blob name -> its value and sizes.
        outputs: Values that no layer consumes, or that layers consume which are left out.
        left_out: Positions of layers that are not in the graph.
    """

    build: LayerBuilder
    blobs: Mapping[str, Blob]
    outputs: list
    left_out: frozenset[int]


def lower(
    structure: Structure, arrays: Mapping[Slot, np.ndarray], tags: Mapping[Slot, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> Lowered:  # fmt: skip
    """Build the graph; a layer that is not known, and all that follow it, are left out.

    Args:
        structure: The layers.
        arrays: Their weights in the shapes of the file.
        tags: How the file holds those that have a tag.
        shapes: Layer name of an Input -> its sizes, where the user gave them.

    Raises:
        ModelError: layers do not fit together, or nothing can be lowered.
    """
    build = LayerBuilder(arrays, tags)
    blobs: dict[str, Blob] = {}
    left_out: dict[int, str] = {}  # position -> the layer that is the reason
    cut: dict[str, str] = {}  # blob -> the noun of the layer that it follows
    ends: list[Blob] = []
    named: set[int] = set()
    for layer in structure.layers:
        build.layers.setdefault(layer.name, [])
        cause = next((cut[name] for name in layer.bottoms if name in cut), None)
        cause = cause or (None if known(layer) else _noun(layer))
        if cause is None:
            try:
                given = _lowered(build, layer, [blobs[name] for name in layer.bottoms], shapes)
                for top, blob in zip(layer.tops, given, strict=True):
                    if id(blob.value) not in named and not _is_constant(build, blob):
                        build.rename(blob.value, top)
                        named.add(id(blob.value))
                    blobs[top] = blob
                continue
            except UnsupportedError as error:
                cause = f"layer '{layer.name}' of type '{layer.kind}', {error}"
        _leave_out(build, layer, blobs, cause, ends)
        left_out[layer.index] = cause
        cut.update(dict.fromkeys(layer.tops, cause))
    consumed = {name for layer in structure.layers for name in layer.bottoms}
    free = [blobs[top] for layer in structure.layers for top in layer.tops
            if top in blobs and top not in consumed]  # fmt: skip
    outputs = list(
        {id(b.value): b.value for b in (*free, *ends) if b.value not in build.inputs}.values()
    )
    if not outputs:
        said = f": {next(iter(left_out.values()))}" if left_out else ""
        raise ModelError(f"{structure.path}: nothing of it can be computed{said}")
    return Lowered(build, blobs, outputs, frozenset(left_out))


def _noun(layer: Layer) -> str:
    if layer.kind in WEIGHTLESS:
        return f"layer '{layer.name}' of type '{layer.kind}'"
    return f"layer '{layer.name}' of the unknown type '{layer.kind}'"


def _leave_out(
    build: LayerBuilder, layer: Layer, blobs: Mapping[str, Blob], cause: str, ends: list[Blob]
) -> None:
    here = f"layer '{layer.name}'" if f"'{layer.name}'" not in cause else cause
    if here == cause and layer.kind not in WEIGHTLESS:
        build.notes.append(f"{cause} is left out of the computation, with all that follows it")
    if layer.kind in SIZE_ONLY:
        return
    reason = f"feeds {here}" if here == cause else f"feeds {here}, which follows {cause}"
    for name in layer.bottoms:
        if name in blobs:
            build.freeze(blobs[name].value, reason)
            ends.append(blobs[name])


def _lowered(
    build: LayerBuilder, layer: Layer, given: list[Blob], shapes: Mapping[str, tuple[int, ...]]
) -> list[Blob]:
    """The blobs of one layer.

    Raises:
        UnsupportedError: a setting of it is not known.
    """
    if layer.kind == "Input":
        return [_input(build, layer, shapes)]
    if layer.kind == "MemoryData":
        return [_constant(build, layer)]
    if layer.kind not in ("BinaryOp", "Split") and any(_is_constant(build, one) for one in given):
        raise UnsupportedError("which takes a constant")
    if layer.kind in STRUCTURAL or (layer.kind in ONE and len(given) == 1):
        if len(given) != 1:
            raise ModelError(f"{layer.where}: takes {len(given)} blobs, not one")
        if layer.kind == "Split":
            return given * len(layer.tops)
        if layer.kind == "Slice":
            return slices(build, layer, given[0])
        result = ONE[layer.kind](build, layer, given[0])
    elif layer.kind in SEVERAL and given:
        result = SEVERAL[layer.kind](build, layer, given)
    else:
        raise UnsupportedError(f"which takes {len(given)} blobs")
    if len(layer.tops) != 1:
        raise ModelError(f"{layer.where}: gives {len(layer.tops)} blobs, not one")
    return [result]


def _constant(build: LayerBuilder, layer: Layer) -> Blob:
    """src/layer/memorydata.cpp: the same numbers for every sample."""
    if not build.arrays[layer.index, "weight"].ndim:
        raise UnsupportedError("which has no sizes")
    dims = build.arrays[layer.index, "weight"].shape
    return Blob(build.bound(layer, "weight", (1, *dims)), dims)


def _is_constant(build: LayerBuilder, blob: Blob) -> bool:
    return blob.value.name in build.initializers


def _input(build: LayerBuilder, layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> Blob:
    """src/layer/input.cpp: sizes that are 0 or missing are open."""
    if len(layer.tops) != 1:
        raise ModelError(f"{layer.where}: gives {len(layer.tops)} blobs, not one")
    sizes = [layer.integer(key) for key in (2, 11, 1, 0)]
    dims = shapes.get(layer.tops[0]) or tuple(size for size in sizes if size)
    open_axes = sizes[3] == 0 or (sizes[0] and not sizes[2]) or (sizes[1] and not sizes[0])
    if layer.tops[0] not in shapes and open_axes:
        raise ModelError(
            f"{layer.where}: says no sizes; give them with --option input-shape=3x224x224 "
            "(channels, height, width)"
        )
    if not all(map(COUNT.holds, dims)):
        raise ModelError(f"{layer.where}: has sizes below 1; give others")
    return Blob(build.input(layer.tops[0], ("N", *dims)), tuple(dims))
