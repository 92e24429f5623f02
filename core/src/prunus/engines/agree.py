"""Whether an engine computes what the neutral graph computes."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from prunus.engines.running import Running, Sample
from prunus.errors import ProofError
from prunus.evaluation.session import Session
from prunus.network import Network
from prunus.proof import relative_error
from prunus.task import Array

TOLERANCE = 1e-4
"""Largest difference of a number, relative to the largest of its output."""


@attrs.frozen
class Agreed:
    """How far an engine's numbers are from the neutral graph's.

    Attributes:
        error: Largest difference, relative to the largest number of its output.
        outputs: Outputs that were compared.
        samples: Inputs that were compared.
    """

    error: float
    outputs: int
    samples: int


def compared(network: Network, running: Running, samples: Sequence[Sample]) -> Agreed:
    """Run the same samples in ONNX Runtime and in an engine.

    Raises:
        ProofError: an output is missing, or of another shape.
    """
    session, worst = Session(network.model), 0.0
    names = session.outputs
    for sample in samples:
        wanted, found = session.run(sample), running.run(sample)
        for name in names:
            worst = max(worst, _difference(name, found.get(name), wanted[name]))
    return Agreed(worst, len(names), len(samples))


def check_agreement(agreed: Agreed, engine: str) -> None:
    """Refuse numbers that are not the neutral graph's.

    Raises:
        ProofError: they differ by more than `TOLERANCE`.
    """
    if not agreed.error <= TOLERANCE:
        raise ProofError(
            f"{engine} computes other numbers than the network (relative error "
            f"{agreed.error:.1e}, allowed {TOLERANCE:g}); nothing was written"
        )


def _difference(name: str, found: Array | None, wanted: Array) -> float:
    if found is None:
        raise ProofError(f"the engine gives no output '{name}'")
    if found.shape != wanted.shape:
        raise ProofError(
            f"output '{name}' has the shape {found.shape} in the engine, and {wanted.shape} in the "
            "network"
        )
    return relative_error(wanted, found)
