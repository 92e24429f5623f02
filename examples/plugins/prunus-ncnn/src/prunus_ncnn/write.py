"""The neutral graph to ncnn's files: the text that was read, with other numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from prunus.plugin import Compact, Destination, ModelError, Network, Written, infer_shapes
from prunus_ncnn.blobs import Slot, write_weights
from prunus_ncnn.lower.resizing import CROP_KEYS, crop_ranges
from prunus_ncnn.lower.shaping import reshape_keys, split_sizes
from prunus_ncnn.lower.weighted import to_file
from prunus_ncnn.param import Layer
from prunus_ncnn.read import Origin

Dims = tuple[int, ...]

HINTS = 30
"""Key of the sizes of what a layer gives: axes, width, height and channels of each."""


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write ``<name>.param`` and ``<name>.bin``.

    Raises:
        ModelError: the smaller network cannot be said in a ``.param`` file; names the layer.
    """
    origin = network.origin
    if not isinstance(origin, Origin):
        raise ModelError("this network was not read from ncnn files; write it in its own format")
    masked = destination.stage == "masked"
    model = network.model if masked else compact.model
    arrays = _arrays(origin, (network if masked else compact).weights(), _groups(model))
    numbers = {} if masked else _changed(network, origin, compact, arrays)
    name = destination.name or destination.original or destination.stage
    stem = name.removesuffix(".param").removesuffix(".bin")
    path = destination.directory / f"{stem}.param"
    beside = path.with_suffix(".bin")
    path.write_text(origin.structure.edited(numbers), encoding="utf-8", newline="")
    wanted = [(layer, origin.stored[layer.index]) for layer in origin.structure.layers]
    write_weights(beside, wanted, arrays, origin.tags)
    return Written(path, beside)


def _groups(model) -> dict[str, int]:
    """Node -> its number of channel groups."""
    return {node.name or "": node.attributes.get_int("group", 1) for node in model.graph}


def _arrays(
    origin: Origin, weights: Mapping[str, np.ndarray], groups: Mapping[str, int]
) -> dict[Slot, np.ndarray]:
    """Every array of the weights file in the shape of the file."""
    arrays = dict(origin.kept)
    for layer in origin.structure.layers:
        for one in origin.stored[layer.index]:
            slot = layer.index, one.role
            if slot not in origin.names:
                continue
            array = weights[origin.names[slot]]
            if layer.kind == "MemoryData":
                array = array[0]
            elif len(one.shape) == 1:
                array = array.reshape(-1)
            elif len(one.shape) == 5:
                array = to_file(array, groups[layer.name])
            arrays[slot] = array
    return arrays


def _changed(
    network: Network, origin: Origin, compact: Compact, arrays: Mapping[Slot, np.ndarray]
) -> dict[tuple[int, int], tuple[int, ...]]:
    """(Position of a layer, key) -> its numbers, where the smaller network needs others."""
    before = _arrays(origin, network.weights(), _groups(network.model))
    old = _Facts(origin, network.model, before, {})
    new = _Facts(origin, compact.model, arrays, compact.kept)
    changed = {}
    for layer in origin.structure.layers:
        if layer.index in origin.left_out:
            continue
        found = new.numbers(layer)
        for key, numbers in old.numbers(layer).items():
            if numbers != found[key]:
                changed[layer.index, key] = found[key]
    return changed


class _Facts:
    """The numbers that a network of these sizes needs in its text."""

    def __init__(
        self, origin: Origin, model: Any, arrays: Mapping[Slot, np.ndarray],
        kept: Mapping[str, Mapping[int, np.ndarray]],
    ) -> None:  # fmt: skip
        shapes = infer_shapes(model)
        self.values = origin.values
        self.original = origin.dims
        self.blobs = {
            blob: shapes[value][1:] for blob, value in self.values.items() if value in shapes
        }
        self.arrays = arrays
        self.groups = _groups(model)
        self.kept = kept

    def numbers(self, layer: Layer) -> dict[int, tuple[int, ...]]:
        """Key -> numbers."""
        found = {HINTS: self._hints(layer)} if HINTS in layer.params else {}
        match layer.kind:
            case (
                "Convolution" | "ConvolutionDepthWise" | "Deconvolution" | "DeconvolutionDepthWise"
            ):
                found[0], found[6] = self._widths(layer)
                if layer.kind.endswith("DepthWise"):
                    found[7] = (self.groups[layer.name],)
            case "InnerProduct":
                found[0], found[2] = self._widths(layer)
            case "BatchNorm" | "Bias" | "PReLU" | "Scale" | "Normalize":
                key, role = _LENGTHS[layer.kind]
                if (layer.index, role) in self.arrays:
                    found[key] = (self.arrays[layer.index, role].size,)
            case "MemoryData":
                keys = [key for key in (2, 11, 1, 0) if layer.integer(key)]
                for key, size in zip(keys, self.arrays[layer.index, "weight"].shape, strict=True):
                    found[key] = (size,)
            case "Slice":
                found[0] = self._sizes(layer)
            case "Reshape":
                dims = self.blobs[layer.tops[0]]
                for key, size in zip(reshape_keys(layer), dims, strict=True):
                    if layer.integer(key) > 0:
                        found[key] = (size,)
            case "ShuffleChannel" if layer.integer(1):  # its rows are what is fixed
                blob = layer.bottoms[0]
                rows = self.original[blob][0] // layer.integer(0, 1)
                found[0] = (self.blobs[blob][0] // rows,)
            case "Crop":
                found.update(self._crop(layer))
        return found

    def _widths(self, layer: Layer) -> tuple[tuple[int], tuple[int]]:
        weight = self.arrays[layer.index, "weight"]
        axes = 2 if weight.ndim == 5 else 1
        return (math.prod(weight.shape[:axes]),), (weight.size,)

    def _sizes(self, layer: Layer) -> tuple[int, ...]:
        """Sizes of the parts; -233 where the text says so and still gives the right ones."""
        axis = layer.integer(1)
        sizes = tuple(self.blobs[top][axis] for top in layer.tops)
        asked = layer.integers(0, (-233,) * len(sizes))
        if -233 not in asked:
            return sizes
        try:
            return asked if split_sizes(layer, sum(sizes)) == sizes else sizes
        except ModelError:
            return sizes

    def _crop(self, layer: Layer) -> dict[int, tuple[int, ...]]:
        """Where the ranges of a Crop begin and end among the positions that remain."""
        if len(layer.bottoms) > 1:
            return {}
        blob = layer.bottoms[0]
        ranges = {
            axis: tuple(self._place(blob, axis, place) for place in pair)
            for axis, pair in crop_ranges(layer, self.original[blob]).items()
        }
        if 9 in layer.params:
            return _numpy_range(layer, ranges, len(self.blobs[blob]))
        return _offset_range(layer, ranges, self.blobs[blob])

    def _place(self, blob: str, axis: int, place: int) -> int:
        """Number of positions before ``place`` that remain."""
        kept = self.kept.get(self.values[blob], {}).get(axis + 1)
        return place if kept is None else int(np.searchsorted(kept, place))

    def _hints(self, layer: Layer) -> tuple[int, ...]:
        hints = list(layer.integers(HINTS))
        for number, top in enumerate(layer.tops):
            dims = self.blobs.get(top)
            if dims is None or len(hints) < 4 * number + 4:
                continue
            sizes = {1: (1,), 2: (2, 1), 3: (3, 2, 1)}.get(len(dims), ())  # places of each axis
            for place, size in zip(sizes, dims, strict=True):
                hints[4 * number + place] = size
        return tuple(hints)


_LENGTHS = {
    "BatchNorm": (0, "scale"), "Bias": (0, "shift"), "PReLU": (0, "slope"),
    "Scale": (0, "scale"), "Normalize": (3, "scale"),
}  # fmt: skip
"""Type -> key of the length of its arrays, and the role of one of them."""


Ranges = Mapping[int, tuple[int, ...]]


def _numpy_range(layer: Layer, ranges: Ranges, rank: int) -> dict[int, tuple[int, ...]]:
    """Keys 9 and 10, start and end of each axis; -233 stays as it is."""
    starts, ends = list(layer.integers(9)), list(layer.integers(10))
    for number, axis in enumerate(layer.integers(11) or range(len(starts))):
        start, end = ranges[axis % rank]
        starts[number] = -233 if starts[number] == -233 else start
        ends[number] = -233 if ends[number] == -233 else end
    return {9: tuple(starts), 10: tuple(ends)}


def _offset_range(layer: Layer, ranges: Ranges, dims: Dims) -> dict[int, tuple[int, ...]]:
    """Offset before, offset behind and size of each axis; a size of -233 stays as it is."""
    found = {}
    for axis, (before, behind, length) in enumerate(CROP_KEYS[-len(dims) :]):
        start, end = ranges[axis]
        found[before] = (start,)
        if layer.integer(length) == -233:
            found[behind] = (dims[axis] - end,)
        else:
            found[length] = (end - start,)
    return found
