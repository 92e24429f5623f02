"""Built-in format ``onnx``: the neutral graph's own file, so models of any exporter work."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from prunus.descriptors import Descriptor, Format
from prunus.errors import UsageError
from prunus.hookspecs import hookimpl
from prunus.network import Compact, Destination, Network, Source, Written

_IN_MEMORY = Path("model.onnx")
"""Name of a model that came from no file."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One format."""
    options = {
        "input-shape": "sizes the file leaves open: 1x3x224x224, or for several inputs "
        "image:1x3x224x224,mask:1x576"
    }
    text = "ONNX models of any exporter"
    return (Format("onnx", text, _detect, options=options, files=_files, in_memory=_is_model),)


@hookimpl
def prunus_load(format: str, source: Source) -> Network:
    """Read, fold constant sub-graphs, make the batch symbolic.

    With weights of another file: the structure of the model, the weights of the other one.
    """
    from prunus.formats.onnx_read import read_onnx
    from prunus.formats.onnx_weights import taken

    sizes = source.options.get("input-shape")
    network = read_onnx(source.model, sizes)
    if source.weights is None:
        return network
    if not _detect(source.weights):
        raise UsageError(
            f"--weights {source.weights}: no .onnx file; a network's weights come from its own "
            "file, or from another .onnx file of the same structure"
        )
    return taken(network, source.weights, read_onnx(source.weights, sizes))


@hookimpl
def prunus_lower(format: str, model: object, options: Mapping[str, str]) -> Network:
    """An ``onnx.ModelProto`` as it is in memory."""
    import onnx

    from prunus.formats.onnx_read import network_of

    assert isinstance(model, onnx.ModelProto)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return network_of(copy, _IN_MEMORY, options.get("input-shape"))


@hookimpl
def prunus_rebuild(format: str, network: Network, compact: Compact) -> object:
    """An ``onnx.ModelProto`` of the compact graph."""
    import onnx_ir as ir

    return ir.to_proto(compact.model)


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written:
    """Write a file of the destination's name.

    A name without the ending ``.onnx`` is that of a folder, for a file of the name that was read.
    """
    from prunus.formats.onnx_open import Origin, opened
    from prunus.formats.onnx_save import save_onnx

    origin = network.origin
    assert isinstance(origin, Origin)
    smaller = network.model if destination.stage == "masked" else compact.model
    model = opened(origin, network.model, smaller)
    path = destination.directory / (destination.name or "")
    if destination.name is None or path.suffix != ".onnx":
        path = path / origin.path.name
    path.parent.mkdir(exist_ok=True)
    return save_onnx(model, path)


def _files(source: Source) -> tuple[Path, ...]:
    """The weights beside the file that holds them (``external_data`` of onnx.proto)."""
    import onnx

    path = source.weights or source.model
    proto = onnx.load(path, load_external_data=False)
    locations = {
        entry.value
        for tensor in proto.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(path.parent / location for location in sorted(locations))


def _is_model(model: object) -> bool:
    onnx = sys.modules.get("onnx")  # without it there is no such model
    return onnx is not None and isinstance(model, onnx.ModelProto)


def _detect(path: Path) -> bool:
    return path.suffix == ".onnx" and path.is_file()
