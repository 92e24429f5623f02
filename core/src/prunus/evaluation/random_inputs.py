"""Inputs drawn at random, for proofs and for times."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from prunus.errors import ModelError
from prunus.evaluation.session import Array
from prunus.graph.inputs import rows_read, sample_inputs, sample_shape

_WHOLE = (ir.DataType.INT64, ir.DataType.INT32)

_EXACT = 1 << 24
"""Whole numbers up to this are exact in float32."""


def random_inputs(model: ir.Model, count: int, seed: int) -> dict[str, Array]:
    """Inputs ``(count, ...)`` in float32 for every graph input.

    Standard normal where the network computes with them. Whole numbers that choose rows of a table,
    such as the token numbers of an embedding, are drawn among its rows; other whole numbers and
    truth values, which are masks in most networks, are ones: no sample lacks all of its parts.

    Raises:
        ModelError: an input takes numbers of another type.
    """
    draw = np.random.default_rng(seed)
    return {
        value.name or "": _drawn(draw, value, (count, *sample_shape(value)))
        for value in sample_inputs(model)
    }


def _drawn(draw: np.random.Generator, value: ir.Value, shape: tuple[int, ...]) -> Array:
    if value.dtype in (None, ir.DataType.FLOAT):
        return draw.standard_normal(shape).astype(np.float32)
    rows = rows_read(value)
    if value.dtype in _WHOLE and rows is not None:
        return draw.integers(min(rows, _EXACT), size=shape).astype(np.float32)
    if value.dtype in (*_WHOLE, ir.DataType.BOOL):
        return np.ones(shape, np.float32)
    raise ModelError(
        f"input '{value.name}' takes {value.dtype.name.lower()} numbers, and only float32, int32, "
        "int64 and bool can be drawn or measured; cut the model behind what turns them into float32"
    )
