"""The neutral graph to toy files: the text that was read, with other numbers."""

from __future__ import annotations

import re

import numpy as np

from prunus.plugin import Compact, Destination, Network, Written
from prunus_toy.weights import turned

WIDTHS = {"conv": "filters", "dense": "outputs"}
"""Kind -> key that tells its number of outputs."""


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write ``<name>.toy`` and ``<name>.weights``."""
    text, layers = network.origin
    model = network.model if destination.stage == "masked" else compact.model
    lines, arrays = text.split("\n"), []
    for layer in layers:
        if layer.kind not in WIDTHS:
            continue
        for role in ("weight", "bias"):
            array = model.graph.initializers[f"{layer.name}/{role}"].const_value.numpy()
            arrays.append(turned(layer, role, array))
        key = WIDTHS[layer.kind]
        lines[layer.line] = re.sub(rf"\b{key}=\d+", f"{key}={len(array)}", lines[layer.line])
    name = destination.name or destination.original or destination.stage
    path = destination.directory / f"{name.removesuffix('.toy')}.toy"
    weights = path.with_suffix(".weights")
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    weights.write_bytes(b"".join(np.ascontiguousarray(a, "<f4").tobytes() for a in arrays))
    return Written(path, weights)
