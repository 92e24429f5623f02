"""The neutral graph to toy files: the text that was read, with other numbers."""

from __future__ import annotations

import numpy as np

from prunus.plugin import Compact, Destination, Network, Written
from prunus_toy.weights import turned

WIDTHS = {"conv": "filters", "dense": "outputs"}
"""Kind -> key that tells its number of outputs."""


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write ``<name>.toy`` and ``<name>.weights``."""
    text, layers = network.origin
    weights = (network if destination.stage == "masked" else compact).weights()
    pieces, arrays, end = [], [], 0
    for layer in layers:
        if layer.kind not in WIDTHS:
            continue
        for role in ("weight", "bias"):
            arrays.append(turned(layer, role, weights[f"{layer.name}/{role}"]))
        key, width = WIDTHS[layer.kind], len(arrays[-1])
        start, after = layer.places[key]
        if width != layer.numbers[key]:
            pieces += [text[end:start], str(width)]
            end = after
    name = destination.name or destination.original or destination.stage
    stem = name.removesuffix(".toy").removesuffix(".weights")
    path = destination.directory / f"{stem}.toy"
    beside = path.with_suffix(".weights")
    path.write_text("".join([*pieces, text[end:]]), encoding="utf-8", newline="")
    beside.write_bytes(b"".join(np.ascontiguousarray(a, "<f4").tobytes() for a in arrays))
    return Written(path, beside)
