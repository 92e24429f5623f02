"""Prune a Keras model and compare every form of it with Keras itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.grouping import Grouping, find_groups  # isort: skip (core needs it before compaction)
from prunus.compaction import compact
from prunus.evaluation.session import Session, random_inputs
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Written
from prunus.selection import choose_units
from prunus_tensorflow.keras_.write import write

Array = NDArray[np.float32]


@attrs.frozen(eq=False)
class Cut:
    """A network with channels removed.

    Attributes:
        network: The original.
        masked: Same structure, removed channels zero.
        compact: The smaller graph.
        grouping: Groups of the original.
    """

    network: Network
    masked: Network
    compact: Compact
    grouping: Grouping


def cut(network: Network, ratio: float = 0.5, seed: int = 0) -> Cut:
    """Remove a random ``ratio`` of the units of every group."""
    grouping = find_groups(network)
    draw = np.random.default_rng(seed)
    keep = {
        group.name: choose_units(
            group, draw.random(group.size), max(1, round(group.size * (1 - ratio)))
        )
        for group in grouping.groups
    }
    masked = mask(network, grouping, keep)
    return Cut(network, masked, compact(masked, grouping, keep), grouping)


def written(one: Cut, directory: Path, stage: str, name: str) -> Written:
    """Write one stage into a fresh directory."""
    directory.mkdir(parents=True)
    return write(one.masked, one.compact, Destination(directory, stage, name))


def feed_for(network: Network, count: int = 2, seed: int = 1) -> dict[str, Array]:
    """Random inputs in the graph's layout."""
    return random_inputs(network.model, count, seed)


def neutral(network: Network, feed: Mapping[str, Array]) -> list[Array]:
    """Outputs of the neutral graph in ONNX Runtime, in graph order."""
    found = Session(network.model).run(feed)
    return [found[value.name or ""] for value in network.model.graph.outputs]


def keras_outputs(model: Any, network: Network, feed: Mapping[str, Array]) -> list[Array]:
    """Outputs of a Keras model at inference, flat."""
    import keras

    arrays = [feed[value.name or ""] for value in network.model.graph.inputs]
    found = model(arrays if len(arrays) > 1 else arrays[0], training=False)
    return [np.asarray(value) for value in keras.tree.flatten(found)]


def difference(found: Sequence[Array], wanted: Sequence[Array]) -> float:
    """Largest absolute difference of any output over its largest value.

    Raises:
        ValueError: numbers or shapes of outputs differ.
    """
    worst = 0.0
    for own, other in zip(found, wanted, strict=True):
        if own.shape != other.shape:
            raise ValueError(f"shapes {own.shape} and {other.shape}")
        worst = max(worst, float(np.abs(own - other).max() / max(np.abs(other).max(), 1e-12)))
    return worst
