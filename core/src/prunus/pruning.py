"""Carry out a plan: compensate the consumers of removed channels, mask, compact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.folding import fold
from prunus.granularity import CHANNELS
from prunus.graph.release import collect_copies
from prunus.masking import mask
from prunus.network import Compact, Network
from prunus.one_blas_thread import one_blas_thread
from prunus.prunable import Prunable
from prunus.recovery.recover import recover
from prunus.recovery.sample_counts import Samples

Keep = Mapping[str, NDArray[np.bool_]]
"""Group name -> ``(C,)`` bool, True for kept channels."""


@one_blas_thread()
def carry_out(
    subject: Prunable,
    keep: Keep,
    present: Keep,
    samples: Samples | None,
    seed: int,
) -> tuple[Network, Compact]:
    """The masked network and its compact form.

    Args:
        subject: The network and its groups.
        keep: Channels or weights that stay.
        present: Those that earlier rounds left; the removal of channels is compensated already.
        samples: Graph input name -> ``(N, ...)`` inputs to compensate with. Without samples the
            constant contribution of removed channels is folded into biases.
        seed: Of everything drawn.
    """
    gone = present if subject.granularity == CHANNELS else {}
    newly = {name: units | ~gone[name] if name in gone else units for name, units in keep.items()}
    masked = mask(_compensated(subject, newly, samples, seed), subject.grouping, keep)
    smaller = compact(masked, subject.grouping, keep)
    collect_copies(masked.model)  # of weights before they were masked
    return masked, smaller


def _compensated(subject: Prunable, keep: Keep, samples: Samples | None, seed: int) -> Network:
    """The network with consumers that make up for what is removed, not masked yet."""
    if samples is None:
        return fold(subject.network, subject.grouping, keep, None)
    return recover(subject.network, subject.grouping, keep, samples, seed)
