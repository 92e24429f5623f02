"""Write-back: the user's own prototxt with new numbers, their own caffemodel with new blobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import (
    Compact,
    Destination,
    ModelError,
    Network,
    Written,
    encode_text,
    read_protobuf_text,
)
from prunus_caffe.caffemodel_edit import rewrite
from prunus_caffe.edits import Number, compact_numbers, edited_text
from prunus_caffe.lower.normalization import statistics_factor
from prunus_caffe.origin import Origin, Parameter
from prunus_caffe.recipe import finetune_solver

Array = NDArray[np.float32]
SPARSE, TRANSFORMED, STRUCTURE = "sparse.caffemodel", "transformed.caffemodel", "final.prototxt"


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write one stage under the names of decent_p.

    ``masked``: a copy of the original prototxt under its own name, ``sparse.caffemodel`` for
    it, ``final.prototxt``, the structure ``transform`` will give, and where a solver is
    known ``net_finetune.prototxt`` and ``solver_finetune.prototxt``. ``compact``:
    ``transformed.caffemodel`` and ``final.prototxt``, or the names chosen by the user.

    Raises:
        ModelError: a file cannot be written, or prototxt cannot express the network.
    """
    origin = network.origin
    if not isinstance(origin, Origin):
        raise ModelError(
            "this network was not read from Caffe files; export it with 'prunus export'"
        )
    numbers = compact_numbers(network, compact.model)
    text = encode_text(edited_text(origin.net.document, origin.net.layers, numbers))
    structure, weights = _names(destination)
    try:
        structure.write_bytes(text)
        if destination.stage == "masked":
            _write_weights(weights, origin, network.model, {}, [])
            original = _original(destination, origin)
            original.write_bytes(encode_text(origin.net.document.text))
            return Written(original, weights, (structure, *_training(destination, origin, text)))
        _write_weights(weights, origin, compact.model, compact.kept, numbers)
    except OSError as error:
        raise ModelError(
            f"{error.filename or weights}: cannot be written ({error.strerror})"
        ) from error
    return Written(structure, weights)


def _training(destination: Destination, origin: Origin, structure: bytes) -> tuple[Path, ...]:
    """decent_p's files for training the pruned structure by hand, where a solver is known."""
    solver = origin.source.task.solver
    if solver is None:
        return ()
    net = destination.directory / "net_finetune.prototxt"
    net.write_bytes(structure)
    text = finetune_solver(read_protobuf_text(solver), net.name, "snapshots/")
    path = destination.directory / "solver_finetune.prototxt"
    path.write_bytes(encode_text(text))
    return net, path


def _original(destination: Destination, origin: Origin) -> Path:
    """Where the copy of the whole structure goes; never in the way of the small one."""
    name = origin.net.path.name
    return destination.directory / ("original.prototxt" if name == STRUCTURE else name)


def _names(destination: Destination) -> tuple[Path, Path]:
    name = destination.name
    if destination.stage == "masked" and name is not None:
        return destination.directory / STRUCTURE, destination.directory / f"{name}.caffemodel"
    if destination.stage == "masked" or name is None:
        weights = SPARSE if destination.stage == "masked" else TRANSFORMED
        return destination.directory / STRUCTURE, destination.directory / weights
    if name.endswith(".caffemodel"):
        return destination.directory / STRUCTURE, destination.directory / name
    stem = name.removesuffix(".prototxt")
    return destination.directory / f"{stem}.prototxt", destination.directory / f"{stem}.caffemodel"


def _write_weights(
    path: Path, origin: Origin, model: ir.Model,
    kept: Mapping[str, Mapping[int, NDArray[np.int64]]], numbers: list[Number],
) -> None:  # fmt: skip
    arrays: dict[str, dict[int, Array]] = {}
    statistics: dict[str, list[str]] = {}
    for name, parameter in origin.parameters.items():
        if parameter.factor:
            statistics.setdefault(parameter.layers[0], []).append(name)
            continue
        _put(arrays, parameter, parameter.native(_array(model, name)))
    for names in statistics.values():
        _statistics(arrays, origin, model, kept, names)
    with path.open("wb") as out:
        rewrite(origin.weights, out, arrays, numbers)


def _put(arrays: dict[str, dict[int, Array]], parameter: Parameter, array: Array) -> None:
    for layer, index in zip(parameter.layers, parameter.indices, strict=True):
        arrays.setdefault(layer, {})[index] = array


def _array(model: ir.Model, name: str) -> Array:
    value = model.graph.initializers[name].const_value
    assert value is not None
    return value.numpy()


def _statistics(
    arrays: dict[str, dict[int, Array]], origin: Origin, model: ir.Model,
    kept: Mapping[str, Mapping[int, NDArray[np.int64]]], names: list[str],
) -> None:  # fmt: skip
    """BatchNorm's mean and variance: the stored numbers where they are still the same.

    Dividing by the third blob and multiplying again would not give the bytes
    back; changed statistics are written with a third blob of 1.
    """
    first = origin.parameters[names[0]]
    stored = origin.weights.layer(first.layers[0])
    old: list[Array] = []
    if stored is not None and len(stored.blobs) > 2:
        factor = np.float32(statistics_factor(origin.weights.array(stored.blobs[2])))
        for name in names:
            array = origin.weights.array(stored.blobs[origin.parameters[name].index])
            array = array[kept[name][0]] if name in kept else array
            if np.array_equal(array * factor, _array(model, name)):
                old.append(array)
    same = len(old) == len(names)
    for position, name in enumerate(names):
        _put(arrays, origin.parameters[name], old[position] if same else _array(model, name))
    if not same:
        for layer in first.layers:
            arrays.setdefault(layer, {})[2] = np.ones(1, np.float32)
