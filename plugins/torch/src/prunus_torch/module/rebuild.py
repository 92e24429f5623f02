"""The module of a compact network: the same class, with smaller parameters."""

from __future__ import annotations

import copy

from torch import nn

from prunus.plugin import Compact
from prunus_torch.module.origin import Origin
from prunus_torch.module.resize import reshaped
from prunus_torch.module.shrink import new_state, numbers_of


def rebuilt(origin: Origin, compact: Compact) -> nn.Module:
    """A copy of the module that was lowered, with the sizes and numbers of its compact form.

    Raises:
        ModelError: what is left of a parameter is no smaller tensor (names it).
    """
    state = new_state(origin, compact)
    return reshaped(copy.deepcopy(origin.module), state, numbers_of(origin, compact))
