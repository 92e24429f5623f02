"""The proof in the real framework: a live model gives what its graph gives."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from prunus.errors import ProofError
from prunus.proof.batches import Inputs, batches_of
from prunus.proof.compare import TOLERANCE, Proof, agreement, outcomes
from prunus.proof.difference import finite


def prove_live(model: ir.Model, run: Callable[[Inputs], Inputs], said: str) -> Proof:
    """Run a graph and a live model on the same random inputs, batches of 1 and 3.

    A batch for which the graph itself does not run, or gives no finite numbers, is left out.

    Args:
        model: The graph.
        run: Runs the live model: graph input name -> ``(N, ...)`` to graph output name -> array.
        said: What messages call the live model.

    Raises:
        ProofError: they differ, or nothing can be compared.
    """
    batches = batches_of(model, None)
    first = outcomes(model, batches, {})
    usable = [
        (batch, found)
        for batch, found in zip(batches, first, strict=True)
        if found is not None and finite(*found.values())
    ]
    if not usable:
        raise ProofError(
            f"{said} is not proven: its graph gives finite numbers for no random input; save the "
            "network instead, which proves its files"
        )
    kept, wanted = [batch for batch, _ in usable], [found for _, found in usable]
    second = [dict(run(batch)) for batch in kept]
    proof = agreement(model, kept, wanted, second, ({}, {}))
    if proof.error > TOLERANCE:
        raise ProofError(
            f"{said} differs from the compact network at output '{proof.output}': relative error "
            f"{proof.error:.1e}, allowed {TOLERANCE:.0e}; report it to the authors of the format"
        )
    return proof
