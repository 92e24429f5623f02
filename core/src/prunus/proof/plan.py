"""The proof of a plan that was carried out."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import ProofError
from prunus.graph.parameters import parameters
from prunus.network import Compact, Network
from prunus.proof.batches import SIZES, Inputs
from prunus.proof.compare import Proof
from prunus.proof.prove import EXCLUDE, prove
from prunus.prunable import Prunable

Keep = Mapping[str, NDArray[np.bool_]]
"""Group name -> ``(C,)`` bool, True for kept channels."""


def is_exact(subject: Prunable, keep: Keep) -> bool:
    """Whether masked and compact network compute the same; with cross-channel LRN they do not."""
    return all(group.exact for group in subject.grouping.groups if group.name in keep)


def prove_plan(
    subject: Prunable,
    keep: Keep,
    masked: Network,
    smaller: Compact,
    inputs: Inputs | None,
    *,
    again: Network | None = None,
    mend: str = EXCLUDE,
) -> Proof:
    """`prove`, on as many real inputs as random ones.

    Where the plan is not exact, what was loaded back is compared with the compact network; without
    it the compact network is only run.

    Args:
        subject: The network before this step changed its weights, and its groups.
        keep: Channels that stay.
        masked: The masked network.
        smaller: Its compact form.
        inputs: Graph input name -> ``(N, ...)`` real inputs, or ``None``.
        again: The compact network as it was written and loaded back.
        mend: What helps where the masked network gives no finite numbers.

    Raises:
        ProofError: they are not equal, or not finite.
        ModelError: the masked network does not run.
    """
    reference = masked if is_exact(subject, keep) else attrs.evolve(masked, model=smaller.model)
    found = smaller if again is None else attrs.evolve(smaller, model=again.model)
    if again is not None:
        _check_size(again, smaller, masked)
    few = None if inputs is None else {name: a[: sum(SIZES)] for name, a in inputs.items()}
    return prove(reference, found, few, original=subject.network, mend=mend)


def _check_size(again: Network, smaller: Compact, masked: Network) -> None:
    """Files that still hold what was removed compute the same, and are no smaller."""
    found, wanted = parameters(again, again.model), parameters(masked, smaller.model)
    if found > wanted:
        raise ProofError(
            f"the written files hold {found:,} parameters, the compact network {wanted:,}: format "
            f"{masked.format} wrote channels that were removed; nothing was written"
        )
