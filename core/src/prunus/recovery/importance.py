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
from prunus.grouping.find import Grouping
from prunus.network import Network
from prunus.recovery.held_out import outputs_of
from prunus.recovery.positions import Positions
from prunus.recovery.sample_counts import Samples, count_of
from prunus.task import PlaceFinder

_FLOOR = 0.1
"""Weight of a position without an object, beside 1 for one with."""

Outputs = Mapping[str, NDArray[np.float32]]


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


def answers_for(network: Network) -> tuple[str, ...]:
    """Graph outputs that weights of places follow from; none where the metric tells no places."""
    if not isinstance(network.task.metric, PlaceFinder):
        return ()
    return tuple(value.name or "" for value in network.model.graph.outputs)


def importance_by(network: Network, outputs: Outputs) -> Importance | None:
    """Weights of the places of some samples; ``None`` where the network's metric tells none.

    Args:
        network: The original network.
        outputs: Its outputs for the samples: graph output name -> ``(N, ...)``, those that
            `answers_for` names and perhaps more values.
    """
    metric = network.task.metric
    if not isinstance(metric, PlaceFinder):
        return None
    maps = metric.places({name: outputs[name] for name in answers_for(network)})
    return Importance((_FLOOR + (1 - _FLOOR) * maps).astype(np.float32))


def importance_of(network: Network, grouping: Grouping, samples: Samples) -> Importance | None:
    """`importance_by` of the outputs that a run of the network gives.

    Args:
        network: The original network.
        grouping: Its groups; knows how many samples memory allows at once.
        samples: Graph input name -> ``(N, ...)``.
    """
    if not answers_for(network):
        return None
    session = Session(network.model, arena=False, samples=count_of(samples))
    found = [importance_by(network, part) for part in outputs_of(session, grouping, samples)]
    return Importance(np.concatenate([one.maps for one in found if one is not None]))
