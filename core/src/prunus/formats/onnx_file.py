"""Built-in format ``onnx``: the neutral graph's own file, so models of any exporter work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx_ir as ir

from prunus.descriptors import Descriptor, Format
from prunus.errors import UsageError
from prunus.hookspecs import hookimpl
from prunus.network import Compact, Destination, Network, Source, Written

_LARGEST = 2**31 - 2**24
"""Bytes of weights one protobuf file can hold, room for the structure left."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One format."""
    options = {
        "input-shape": "sizes the file leaves open: 1x3x224x224, or for several inputs "
        "image:1x3x224x224,mask:1x576"
    }
    return (Format("onnx", "ONNX models of any exporter", _detect, options=options),)


@hookimpl
def prunus_load(format: str, source: Source) -> Network:
    """Read, fold constant sub-graphs, make the batch symbolic."""
    from prunus.formats.onnx_read import read_onnx

    if source.weights is not None:
        raise UsageError(
            f"--weights {source.weights}: an .onnx file holds its weights itself; "
            "give --model alone"
        )
    return read_onnx(source.model, source.options.get("input-shape"))


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written:
    """Write a file of the destination's name.

    A name without the ending ``.onnx`` is that of a folder, for a file of the name that was read.
    """
    model = network.model if destination.stage == "masked" else compact.model
    origin = network.origin
    assert isinstance(origin, Path)
    path = destination.directory / (destination.name or "")
    if destination.name is None or path.suffix != ".onnx":
        path = path / origin.name
    path.parent.mkdir(exist_ok=True)
    if _size(model) <= _LARGEST:
        ir.save(model, path)
        return Written(path, None)
    data = path.with_name(f"{path.name}.data")
    ir.save(model, path, external_data=data.name)
    return Written(path, None, (data,))


def _size(model: ir.Model) -> int:
    values = model.graph.initializers.values()
    return sum(v.const_value.nbytes for v in values if v.const_value is not None)


def _detect(path: Path) -> bool:
    return path.suffix == ".onnx" and path.is_file()
