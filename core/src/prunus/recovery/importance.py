"""Positions of activations weighted by their share in the answers of a network.

Most positions of a detector's activations see background, and its detections hang on the few that
see objects. Where the network's metric tells the places of the objects (`prunus.task.PlaceFinder`),
rows at these places count more in a fit.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.network import Network
from prunus.recovery.positions import Positions
from prunus.task import PlaceFinder

_FLOOR = 0.1
"""Weight of a position without an object, beside 1 for one with."""

_BATCH = 8

Samples = Mapping[str, NDArray[np.float32]]


@attrs.frozen(eq=False)
class Importance:
    """Weights of places of some samples.

    Attributes:
        maps: ``(N, h, w)`` laid evenly over the spatial axes of every activation.
    """

    maps: NDArray[np.float32]

    def at(self, positions: Positions, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        """Weights ``(n,)`` of positions; ``None`` for a value without two spatial axes.

        Args:
            positions: Of a value, its first axis running over the samples.
            shape: Of the value, channels on axis 1.
        """
        if len(shape) != 4:
            return None
        sizes = (shape[0], *shape[2:])
        places = (
            position * own // size
            for position, own, size in zip(positions, self.maps.shape, sizes, strict=True)
        )
        return np.asarray(self.maps[tuple(places)])

    def part(self, start: int, stop: int) -> Importance:
        """Of some samples."""
        return Importance(self.maps[start:stop])


def importance_of(network: Network, samples: Samples) -> Importance | None:
    """Weights of the places of samples; ``None`` where the network's metric tells none.

    Args:
        network: The original network.
        samples: Graph input name -> ``(N, ...)``.
    """
    metric = network.task.metric
    if not isinstance(metric, PlaceFinder):
        return None
    session = Session(network.model)
    count = len(next(iter(samples.values())))
    parts = []
    for start in range(0, count, _BATCH):
        run = {name: array[start : start + _BATCH] for name, array in samples.items()}
        parts.append(metric.places(session.run(run)))
    maps = np.concatenate(parts)
    return Importance((_FLOOR + (1 - _FLOOR) * maps).astype(np.float32))
