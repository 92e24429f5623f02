"""Random weights for a structure file, of a scale that keeps the numbers of a network near 1."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from prunus_ncnn.blobs import FLOAT16, FLOAT32, write_weights
from prunus_ncnn.param import Layer, read_structure
from prunus_ncnn.stored import Stored, stored_arrays


def write_random_weights(model: Path, half: bool = False, seed: int = 0) -> Path:
    """Write ``<name>.bin`` beside ``<name>.param``; ``half`` stores weights as float16."""
    rng = np.random.default_rng(seed)
    wanted = [(layer, stored_arrays(layer)) for layer in read_structure(model).layers]
    slots = [(layer, one) for layer, roles in wanted for one in roles]
    arrays = {(layer.index, one.role): _random(rng, layer, one) for layer, one in slots}
    tag = FLOAT16 if half else FLOAT32[0]
    tags = {(layer.index, one.role): tag for layer, one in slots if one.tagged}
    path = model.with_suffix(".bin")
    write_weights(path, wanted, arrays, tags)
    return path


def _random(rng: np.random.Generator, layer: Layer, one: Stored) -> np.ndarray:
    match one.role:
        case "weight":  # He et al., ICCV 2015
            inputs = math.prod(one.shape[2:] if len(one.shape) == 5 else one.shape[1:])
            return rng.normal(0, math.sqrt(2 / inputs), one.shape)
        case "variance":
            return rng.uniform(0.5, 1.5, one.shape)
        case "scale":
            return rng.uniform(0.8, 1.2, one.shape)
        case "slope":
            return rng.uniform(0.1, 0.3, one.shape)
    return rng.normal(0, 0.1, one.shape)
