"""Inputs of a proof: given ones, and random ones of the network's usual size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import ModelError
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Array, Session
from prunus.graph.inputs import sample_inputs

Inputs = Mapping[str, Array]

SIZES = (1, 3)
"""Batch sizes: one, and one that no file is exported for by chance."""

_PARTS = (slice(1), slice(1, None))

_LARGEST = 1e3
"""Random inputs are made so many times larger or smaller at most."""


def batches_of(model: ir.Model, given: Inputs | None, *, positive: bool = False) -> list[Inputs]:
    """Batches of 1 and 3 random inputs, and before them the first given one and the others.

    Args:
        model: The graph.
        given: Graph input name -> ``(N, ...)``, or ``None``.
        positive: Draw no negative numbers, for networks that take roots or logarithms.

    Raises:
        ModelError: random inputs cannot be drawn.
    """
    batches: list[Inputs] = []
    if given is not None:
        parts = [{n: array[part] for n, array in given.items()} for part in _PARTS]
        batches += [part for part in parts if len(next(iter(part.values())))]
    scale = typical_scale(model)
    for seed, size in enumerate(SIZES):
        drawn = random_inputs(model, size, seed)
        sized = {name: array * scale for name, array in drawn.items()}
        batches.append({n: np.abs(a) for n, a in sized.items()} if positive else sized)
    return batches


def typical_scale(model: ir.Model) -> np.float32:
    """How large standard normal inputs must be for the first BatchNormalization to know them.

    Its stored variance over the one that they cause, in the middle of its channels. 1 where there
    is none, where there are several inputs, and of whole numbers.
    """
    inputs = sample_inputs(model)
    first = next((node for node in model.graph if node.op_type == "BatchNormalization"), None)
    if first is None or len(inputs) != 1 or inputs[0].dtype not in (None, ir.DataType.FLOAT):
        return np.float32(1)
    data, stored = first.inputs[0], first.inputs[4]
    if data is None or stored is None or stored.const_value is None or data.producer() is None:
        return np.float32(1)
    try:
        session = Session(model, [data.name or ""], samples=1)
        value = session.run(random_inputs(model, 1, 0))[data.name or ""].astype(np.float64)
    except ModelError:
        return np.float32(1)
    seen = value.var(tuple(axis for axis in range(value.ndim) if axis != 1))
    return _ratio(stored.const_value.numpy().astype(np.float64), seen)


def _ratio(stored: NDArray[np.float64], seen: NDArray[np.float64]) -> np.float32:
    alive = (seen > 0) & (stored > 0) & np.isfinite(seen)
    if not alive.any():
        return np.float32(1)
    ratio = np.sqrt(np.median(stored[alive] / seen[alive]))
    return np.float32(np.clip(ratio, 1 / _LARGEST, _LARGEST))
