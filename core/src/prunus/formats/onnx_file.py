"""Built-in format ``onnx``: the neutral graph's own file, so models of any exporter work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx_ir as ir

from prunus.descriptors import Descriptor, Format
from prunus.hookspecs import hookimpl
from prunus.network import Compact, Destination, Network, Source, Written


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One format."""
    return (Format("onnx", "ONNX models of any exporter", _detect),)


@hookimpl
def prunus_load(format: str, source: Source) -> Network:
    """Read, fold constant sub-graphs, make the batch symbolic."""
    from prunus.formats.onnx_read import read_onnx

    return read_onnx(source.model, source.options.get("input-shape"))


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written:
    """Write ``<name>.onnx`` with the metadata of the file that was read."""
    model = network.model if destination.stage == "masked" else compact.model
    origin = network.origin
    assert isinstance(origin, Path)
    path = destination.directory / f"{destination.name or origin.stem}.onnx"
    ir.save(model, path)
    return Written(path, None)


def _detect(path: Path) -> bool:
    return path.suffix == ".onnx" and path.is_file()
