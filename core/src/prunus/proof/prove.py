"""`compare`, refusing what is not finite and equal, with the layer where it begins."""

from __future__ import annotations

import numpy as np

from prunus.errors import ProofError
from prunus.network import Compact, Network
from prunus.proof.batches import Inputs, batches_of
from prunus.proof.blame import first_difference, first_without_numbers
from prunus.proof.compare import TOLERANCE, Proof, compare

EXCLUDE = "exclude what feeds it (--exclude)"


def prove(
    masked: Network,
    compact: Compact,
    inputs: Inputs | None = None,
    *,
    original: Network | None = None,
    mend: str = EXCLUDE,
) -> Proof:
    """Both networks give the same finite numbers, for a batch of 1 and of 3 inputs.

    Nothing is written, and nothing is read but the two graphs. Where removal changes what
    neighbours compute (cross-channel LRN), give the compact graph as the masked network too: it is
    then only run.

    Args:
        masked: The masked network.
        compact: What `prunus.compaction.compact` made of it, or what was loaded back.
        inputs: Graph input name -> ``(N, ...)`` real inputs.
        original: The network before it was masked.
        mend: What helps where the masked network alone gives no finite numbers.

    Raises:
        ProofError: they do not.
        ModelError: the masked network does not run.
    """
    before = None if original is None else original.model
    proof = compare(masked.model, compact.model, inputs, before)
    if proof.error <= TOLERANCE:
        return proof
    batch = batches_of(masked.model, inputs)[0]
    layer = first_without_numbers(masked, batch) if np.isinf(proof.error) else None
    at = f", first at layer '{layer}'" if layer is not None else ""
    if not proof.samples:
        raise ProofError(
            f"the network gives no finite numbers for any input tried{at}; give inputs it is made "
            "for (--data); nothing was written"
        )
    if layer is not None:
        raise ProofError(
            f"the masked network gives no finite numbers{at}; {mend}; nothing was written"
        )
    layer = first_difference(masked, compact, batch, TOLERANCE)
    at = f", first at layer '{layer}'" if layer is not None else ""
    raise ProofError(
        f"the compact network differs from the masked one at output '{proof.output}'{at}: "
        f"relative error {proof.error:.1e}, allowed {TOLERANCE:.0e}; nothing was written"
    )
