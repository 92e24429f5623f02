"""Criterion ``obs``: the error of a layer's output that each weight's removal causes.

Row by row (output by output) weights are removed one after the other, always the one of the least
w_p^2 / (2 [H^-1]_pp), and the others change by -w_p / [H^-1]_pp H^-1_:p to make good, with
H = X^T X of the layer's inputs X (Hassibi and Stork 1993; Frantar and Alistarh, Optimal Brain
Compression, NeurIPS 2022, algorithms 1 and 2). The score of a weight is the error when its turn
comes, made to rise along the row, so that one threshold cuts every row in its own order. Layers
that would take too long are scored before the first removal (Dong, Chen, Pan, NIPS 2017). The
weights that stay are changed by `prunus.recovery`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.granularity import WEIGHT
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (
        Criterion(
            "obs",
            "error of the layer's output, the other weights of the row making good; needs samples",
            needs_samples=True,
            unit=WEIGHT,
        ),
    )


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Errors at each weight's turn, in the order of the group's units."""
    from prunus.methods.weight_errors import weight_errors

    assert samples is not None
    return weight_errors(network, group, samples, seed)
