"""Opaque preprocessing: layers before all weights of the neutral graph, computed by Keras.

Preprocessing is often such a layer (Lambda, a custom one, an Embedding). What it makes follows
from the samples alone, whatever is pruned or trained behind it, so it can be fed like a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PreprocessingSteps = tuple[tuple[Sequence[Any], Sequence[Any]], ...]
"""Parts of a model and of models nested in it, each fed by the one before: symbols, symbols."""

Arrays = Mapping[str, NDArray[Any]]


def computed(
    inputs: Sequence[str], steps: Mapping[str, PreprocessingSteps]
) -> Callable[[Arrays], Arrays]:
    """A function that computes what opaque layers make.

    Args:
        inputs: Inputs of the model in its order.
        steps: Graph input -> how it follows from them.

    Returns:
        Samples by input of the model -> float32 arrays by graph input.
    """
    import keras

    chains = {
        name: [(start, keras.Model(list(start), list(end))) for start, end in parts]
        for name, parts in steps.items()
    }

    def compute(samples: Arrays) -> Arrays:
        found = {}
        for name, chain in chains.items():
            values: list[Any] = [samples[one] for one in inputs]
            for symbols, part in chain:
                typed = [
                    keras.ops.convert_to_tensor(value, symbol.dtype)
                    for value, symbol in zip(values, symbols, strict=True)
                ]
                values = keras.tree.flatten(part(typed, training=False))
            found[name] = np.asarray(values[0], np.float32)
        return found

    return compute
