"""What this distribution owns, and the hooks that act on it; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prunus.hookspecs import hookimpl
from prunus_caffe.detect import is_caffe

if TYPE_CHECKING:
    from prunus.descriptors import Descriptor
    from prunus.network import Compact, Destination, Network, Source, Written

FORMAT = "caffe"


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the format."""
    from prunus.descriptors import Format

    return (
        Format(
            name=FORMAT,
            summary="Caffe prototxt and caffemodel (V1 layers and the SSD line too)",
            detect=is_caffe,
        ),
    )


@hookimpl
def prunus_load(format: str, source: Source) -> Network | None:
    """Read prototxt and caffemodel."""
    if format != FORMAT:
        return None
    from prunus_caffe.read import load

    return load(source)


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written | None:
    """Write prototxt and caffemodel."""
    if format != FORMAT:
        return None
    from prunus_caffe.write import write

    return write(network, compact, destination)
