"""Criterion ``bn-scale``: magnitude of the BatchNorm scale.

score_c = mean over BatchNorm members of |gamma_c| (Liu et al., Network Slimming, ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.errors import UsageError
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.methods.members import relative
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (Criterion("bn-scale", "magnitude of the BatchNorm scale of all members"),)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Mean relative scale.

    Raises:
        UsageError: no BatchNorm acts on the group.
    """
    scales = [np.abs(m.slices(network)).mean(1) for m in group.members if m.role == "scale"]
    if not scales:
        raise UsageError(
            f"criterion 'bn-scale' cannot score group '{group.name}': no BatchNorm scale acts on "
            "its channels; use l1, l2 or fpgm, or exclude it"
        )
    return np.asarray(np.mean([relative(values) for values in scales], axis=0))
