"""The proof of a transform: masked and compact networks give the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import ProofError
from prunus.evaluation.session import Session, random_inputs, with_fed_weights

TOLERANCE = 1e-5
"""Largest relative error of a proof (DESIGN section 9)."""


@attrs.frozen
class Proof:
    """What was compared and how well it agreed.

    Attributes:
        error: Largest relative error over all outputs: max |a - b| / max |a|.
        output: Output where it was seen.
        samples: Number of inputs compared.
    """

    error: float
    output: str
    samples: int


def compare(
    masked: ir.Model,
    compact: ir.Model,
    inputs: Mapping[str, NDArray[np.float32]] | None = None,
    seeds: tuple[int, ...] = (0, 1),
) -> Proof:
    """Run both graphs on random inputs and, where given, on real ones.

    One after the other, and neither copies its weights: they may fill most of the memory.
    """
    batches = [random_inputs(masked, 2, seed) for seed in seeds]
    if inputs is not None:
        batches.append(dict(inputs))
    worst, where = 0.0, ""
    for first, second in zip(_run(masked, batches), _run(compact, batches), strict=True):
        for name, array in first.items():
            error = relative_error(array, second[name])
            if not error <= worst:
                worst, where = error, name
    return Proof(worst, where, sum(len(next(iter(batch.values()))) for batch in batches))


def _run(
    model: ir.Model, batches: Sequence[Mapping[str, NDArray[np.float32]]]
) -> list[dict[str, NDArray[np.float32]]]:
    fed, weights = with_fed_weights(model)
    session = Session(fed)
    return [session.run({**batch, **weights}) for batch in batches]


def prove(
    masked: ir.Model, compact: ir.Model, inputs: Mapping[str, NDArray[np.float32]] | None = None
) -> Proof:
    """`compare`, refusing what is not equal.

    Raises:
        ProofError: the relative error exceeds `TOLERANCE`.
    """
    proof = compare(masked, compact, inputs)
    if not proof.error <= TOLERANCE:
        raise ProofError(
            f"the compact network differs from the masked one at output '{proof.output}': relative "
            f"error {proof.error:.1e}, allowed {TOLERANCE:.0e}; nothing was written"
        )
    return proof


def relative_error(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Max |first - second| / max |first|; infinite for different shapes or non-numbers."""
    finite = np.isfinite(first).all() and np.isfinite(second).all()
    if first.shape != second.shape or not finite:
        return float("inf")
    scale = float(np.abs(first).max(initial=0.0)) or 1.0
    return float(np.abs(first.astype(np.float64) - second).max(initial=0.0)) / scale
