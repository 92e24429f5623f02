"""ncnn's files to the neutral graph."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prunus.plugin import ModelError, Network, Source, UsageError
from prunus_ncnn.blobs import Slot, read_weights
from prunus_ncnn.lower.network import WEIGHTLESS, known, lower
from prunus_ncnn.param import Structure, read_structure
from prunus_ncnn.plugin import FORMAT
from prunus_ncnn.stored import Stored, stored_arrays


@dataclass(frozen=True)
class Origin:
    """What writing needs again.

    Attributes:
        structure: The text and its layers.
        stored: The arrays of each layer.
        tags: Arrays that have a tag in the file -> their tag.
        kept: Arrays of layers that are left out of the graph, as they were read.
        names: Arrays in the graph -> name of the initializer.
        values: Blob -> name of its value in the graph.
        dims: Blob -> its sizes.
        left_out: Positions of layers that are not in the graph.
    """

    structure: Structure
    stored: dict[int, tuple[Stored, ...]]
    tags: dict[Slot, int]
    kept: dict[Slot, object]
    names: dict[Slot, str]
    values: dict[str, str]
    dims: dict[str, tuple[int, ...]]
    left_out: frozenset[int]


def load(source: Source) -> Network:
    """Read both files; the weights are beside the structure unless they are named.

    Raises:
        ModelError: a file is missing or damaged, or the two do not fit.
        UsageError: the option ``input-shape`` cannot be read.
    """
    structure = read_structure(source.model)
    shapes = _given_shapes(source, structure)
    stored = {layer.index: stored_arrays(layer) for layer in structure.layers}
    strangers = [
        layer
        for layer in structure.layers
        if not (known(layer) or layer.kind in WEIGHTLESS or stored[layer.index])
    ]
    path = source.weights or source.model.with_suffix(".bin")
    wanted = [(layer, stored[layer.index]) for layer in structure.layers]
    arrays, tags = read_weights(path, wanted, strangers)
    lowered = lower(structure, arrays, tags, shapes)
    origin = Origin(
        structure,
        stored,
        tags,
        {slot: array for slot, array in arrays.items() if slot not in lowered.build.names},
        lowered.build.names,
        {name: blob.value.name for name, blob in lowered.blobs.items()},
        {name: blob.dims for name, blob in lowered.blobs.items()},
        lowered.left_out,
    )
    return lowered.build.network(FORMAT, lowered.outputs, origin=origin, name=source.model.stem)


def _given_shapes(source: Source, structure: Structure) -> dict[str, tuple[int, ...]]:
    """Blob of an Input -> sizes of the option ``input-shape``."""
    names = [layer.tops[0] for layer in structure.layers if layer.kind == "Input" and layer.tops]
    shapes: dict[str, tuple[int, ...]] = {}
    for part in filter(None, source.options.get("input-shape", "").split(",")):
        name, named, sizes = part.rpartition(":")
        unnamed = names and not named and names[0] in shapes
        if unnamed or not re.fullmatch(r"\d{1,9}(x\d{1,9}){0,3}", sizes):
            raise UsageError(f"input-shape={part}: write sizes as 3x224x224")
        if named and name not in names:
            raise ModelError(
                f"input-shape={part}: {source.model} has no input '{name}'; "
                f"it has {', '.join(names)}"
            )
        if names:
            shapes[name if named else names[0]] = tuple(map(int, sizes.split("x")))
    return shapes
