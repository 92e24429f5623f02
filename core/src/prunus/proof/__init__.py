"""The proof: masked and compact network give the same finite numbers, for any batch."""

from __future__ import annotations

from prunus.proof.compare import TOLERANCE, Proof, compare
from prunus.proof.difference import relative_error
from prunus.proof.live import prove_live
from prunus.proof.prove import prove

__all__ = ["TOLERANCE", "Proof", "compare", "prove", "prove_live", "relative_error"]
