"""Plans as the functions that mask and compact take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import prunus


def kept(plan: prunus.Plan) -> dict[str, NDArray[np.bool_]]:
    """Group name -> ``(C,)`` bool, True for kept."""
    return {
        name: np.isin(np.arange(group.channels), group.kept) for name, group in plan.groups.items()
    }
