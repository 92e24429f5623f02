"""Prune a Keras model and compare every form of it with Keras itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Destination, Network, Session, Written, random_inputs
from prunus.testing.cut import Cut
from prunus_tensorflow.keras_model.write import write

Array = NDArray[np.float32]


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
