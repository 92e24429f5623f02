"""Write a network back: edited cfg text and a weights file in Darknet's order.

Only ``filters=``, ``groups=`` and ``output=`` numbers change in the cfg. What a cfg
cannot say (uneven parts of a grouped ``[route]``, torn blocks of a ``[reorg]``) shows
when the edited text is read again and compared with the compact weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Compact, Destination, ModelError, Network, Written
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.lower.builder import sides
from prunus_darknet.lower.normalization import stored_variance
from prunus_darknet.origin import Origin
from prunus_darknet.read import pruned_name
from prunus_darknet.records.layers import Blob, Layer, Structure
from prunus_darknet.records.structure import read_structure
from prunus_darknet.weights import Array, Slot, runs_of, write_weights

MASKED_WEIGHTS = "weights.prune"
COMPACT_STEM = "model-transform"


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write native files.

    Stage ``masked``: ``weights.prune`` for the unchanged cfg, and ``<cfg stem>-prune.cfg``,
    the cfg of the compact structure (its ``[net]`` is the recipe of finetuning); the
    options ``prune_out_weights`` and ``prunedcfg`` give other names. Stage ``compact``:
    ``model-transform.cfg`` and ``model-transform.weights``, or ``destination.name``.

    Raises:
        ModelError: the compact network cannot be said in a cfg (names the layer), or a
            file cannot be written.
    """
    origin = network.origin
    if not isinstance(origin, Origin):
        raise ModelError("this network was not read from Darknet files; write it in its own format")
    text = compact_text(origin, compact)
    if destination.stage == "masked":
        return _write_masked(network, origin, text, destination)
    return _write_compact(origin, compact, text, destination)


def _write_masked(network: Network, origin: Origin, text: str, destination: Destination) -> Written:
    weights = destination.directory / _masked_name(origin, destination)
    arrays = _Arrays(origin, origin.structure, network.model, {})
    write_weights(weights, origin.header, runs_of(origin.structure, arrays))
    structure_file = destination.directory / pruned_name(origin.cfg, destination.options)
    _write_text(structure_file, recipe_text(origin, text))
    return Written(origin.cfg.path, weights, (structure_file,))


def recipe_text(origin: Origin, text: str) -> str:
    """A structure's text with the ``[net]`` that says how to train it."""
    if origin.recipe is origin.cfg:
        return text
    return parse_cfg(text, origin.cfg.path).with_head(origin.recipe)


def _masked_name(origin: Origin, destination: Destination) -> str:
    """Name of the weights file; a snapshot's ``_iter_30`` becomes ``<stem>_iter_30.weights``."""
    name = destination.name
    if name is None:
        return Path(destination.options.get("prune_out_weights", MASKED_WEIGHTS)).name
    if name.startswith("_"):
        return f"{origin.cfg.path.stem}{name}.weights"
    return Path(name).name


def _write_compact(
    origin: Origin, compact: Compact, text: str, destination: Destination
) -> Written:
    stem = destination.name or COMPACT_STEM
    stem = stem.removesuffix(".cfg").removesuffix(".weights")
    model = destination.directory / f"{Path(stem).name}.cfg"
    weights = model.with_name(f"{Path(stem).name}.weights")
    structure = _read_again(origin, text)
    arrays = _Arrays(origin, structure, compact.model, compact.kept)
    _write_text(model, text)
    write_weights(weights, origin.header, runs_of(structure, arrays))
    return Written(model, weights)


def compact_text(origin: Origin, compact: Compact) -> str:
    """The cfg text of the compact structure.

    Raises:
        ModelError: no cfg can say it.
    """
    initializers = compact.model.graph.initializers
    nodes = {node.name: node for node in compact.model.graph}
    numbers: dict[tuple[int, str], int] = {}
    for layer in origin.structure.layers:
        wanted = _numbers(layer, nodes, initializers)
        for key, number in wanted.items():
            if number != layer.numbers[key]:
                numbers[layer.index, key] = number
    text = origin.cfg.edited(numbers)
    if numbers:
        _check(origin, _read_again(origin, text), initializers)
    return text


def _numbers(
    layer: Layer, nodes: Mapping[str | None, ir.Node], initializers: Mapping[str, ir.Value]
) -> dict[str, int]:
    """The numbers of one layer in the compact structure."""
    owner = layer.numbers.get("share")
    name = layer.name if owner is None else f"{owner}:{layer.type}"
    value = initializers.get(f"{name}/weight")
    if layer.opaque is not None or value is None or value.shape is None:
        return {}
    if layer.type == "connected":
        return {"output": sides(value)[0]}
    if layer.type == "local":
        return {"filters": sides(value)[0] // (layer.output.h * layer.output.w)}
    if layer.type == "deconvolutional":
        return {"filters": sides(value)[1]}
    node = nodes[f"{layer.name}/conv"]
    return {"filters": sides(value)[0], "groups": node.attributes.get_int("group", 1)}


def _read_again(origin: Origin, text: str) -> Structure:
    cfg = parse_cfg(text, origin.cfg.path)
    try:
        return read_structure(cfg, origin.dialect, origin.transposed)
    except ModelError as error:
        raise ModelError(f"the pruned network cannot be said in a Darknet cfg: {error}") from error


def _check(origin: Origin, structure: Structure, initializers: Mapping[str, ir.Value]) -> None:
    """Every weight the new cfg asks for has the shape the compact graph holds."""
    for layer, old in zip(structure.layers, origin.structure.layers, strict=True):
        for blob, before in zip(layer.blobs, old.blobs, strict=True):
            value = initializers.get(f"{layer.name}/{blob.role}")
            held = before.shape if value is None else sides(value)
            if held != blob.shape:
                raise ModelError(
                    f"{origin.cfg.path}:{layer.section.line}: the pruned {blob.role} of layer "
                    f"{layer.name} is {_times(held)}, a Darknet cfg can only say "
                    f"{_times(blob.shape)}; exclude the layers that feed it"
                )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)


class _Arrays:
    """Weights for the file, taken from the graph one at a time."""

    def __init__(
        self,
        origin: Origin,
        structure: Structure,
        model: ir.Model,
        kept: Mapping[str, Mapping[int, NDArray[np.int64]]],
    ) -> None:
        self.origin, self.structure, self.kept = origin, structure, kept
        self.initializers = model.graph.initializers

    def __getitem__(self, slot: Slot) -> Array:
        layer = self.structure.layers[slot[0]]
        blob = layer.blobs[slot[1]]
        name = f"{layer.name}/{blob.role}"
        value = self.initializers.get(name)
        original = self.origin.slots[slot]
        if value is None or value.const_value is None:
            return original
        array = value.const_value.numpy()
        if blob.role == "variance":
            return self._variance(name, array, original)
        return self._fitting(layer, blob, array)

    def _variance(self, name: str, array: Array, original: Array) -> Array:
        positions = self.kept.get(name, {}).get(0)
        if positions is not None:
            original = original[positions]
        return stored_variance(array, self.origin.dialect.normalization, original)

    def _fitting(self, layer: Layer, blob: Blob, array: Array) -> Array:
        if array.size != blob.size:
            raise ModelError(
                f"{self.origin.cfg.path}: layer {layer.name}: the {blob.role} to write has "
                f"{array.size} values, the cfg asks for {blob.size}"
            )
        return array


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode("latin-1"))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ModelError(f"{path}: cannot write the cfg file ({error.strerror})") from error
