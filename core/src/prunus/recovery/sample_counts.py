"""Number of samples that compensate a weight: few for large activations, more for later layers.

A large image has enough positions for the few inputs of an early layer. Later layers have more
inputs and fewer positions, and need more images. Each stage starts again at the inputs, with the
weights found so far, so that no more is held at once than memory allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.graph.macs import layer_macs
from prunus.graph.parameters import weight_bytes
from prunus.grouping.find import Grouping
from prunus.network import Network
from prunus.recovery.design import Design

_BYTES = 2**30
"""Bound on the activations held at once, beside weights that are small."""

_LEAST_BYTES = 2**28
"""The same beside any weights."""

_COPIES = 3
"""Estimate: times that a compensation holds a network's weights, beside the file."""

_HELD = 6
"""Estimate: values of the largest size that both networks hold at once."""

_MACS = 4 * 10**12
"""Bound on the work of computing activations in one stage: a minute or two on two cores."""

_FEWEST = 2
"""Samples that are held however large their activations are: an early layer, whose activations are
the large ones, has few inputs, and each sample has many positions for it."""

_GROWTH = 2
"""A stage begins where so many times as many samples may be held."""

Samples = Mapping[str, NDArray[np.float32]]


@attrs.frozen(eq=False)
class Stage:
    """Weights that share their samples, by number of samples: designs, in order."""

    samples: int
    designs: Mapping[int, Design]


def stages_of(
    network: Network, grouping: Grouping, designs: Sequence[Design], available: int
) -> list[Stage]:
    """Designs in the order of the graph, in stages of growing numbers of samples."""
    dims = grouping.labelling.dims
    work = 2 * max(1, sum(layer_macs(network.model, dims).values()))
    most = min(available, max(_FEWEST, _MACS // work))
    sizes = [max(int(np.prod(dims[v])) for v in (d.target.value, *d.inputs)) for d in designs]
    room = max(_LEAST_BYTES, _BYTES - _COPIES * weight_bytes(network.model))
    stages: list[Stage] = []
    for number, design in enumerate(designs):
        held = 4 * _HELD * max(sizes[number:])
        samples = min(most, max(_FEWEST, room // held))
        if not stages or samples >= _GROWTH * stages[-1].samples:
            stages.append(Stage(samples, {}))
        stages[-1] = attrs.evolve(stages[-1], designs={**stages[-1].designs, number: design})
    return stages


def count_of(samples: Samples) -> int:
    """Number of samples."""
    return len(next(iter(samples.values())))


def spread(samples: Samples, number: int) -> Samples:
    """Some samples, spread over all; all of them without a copy."""
    count = count_of(samples)
    if number == count:
        return samples
    chosen = np.linspace(0, count - 1, number).round().astype(np.int64)
    return {name: array[chosen] for name, array in samples.items()}
