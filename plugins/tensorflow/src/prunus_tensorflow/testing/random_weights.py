"""Random weights that keep activations in a sane range through deep networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def randomise(model: Any, seed: int = 0) -> Any:
    """Give every weight of a Keras model a random value; returns the model."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        old = variable.numpy()
        if old.dtype.kind == "f":
            variable.assign(_draw(variable.name, old.shape, rng).astype(old.dtype))
    return model


def _draw(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    if name == "gamma" or "variance" in name:
        return rng.uniform(0.5, 1.5, shape)
    if "kernel" in name:
        fan = math.prod(shape[:-2] if "depthwise" in name else shape[:-1])
        return rng.normal(0, math.sqrt(2 / max(fan, 1)), shape)
    return rng.normal(0, 0.2, shape)
