"""The module of a compact network: the same class, with smaller parameters."""

from __future__ import annotations

import copy

from torch import nn
from torch.fx import GraphModule

from prunus.plugin import Compact
from prunus_torch.module.exporting import quiet
from prunus_torch.module.origin import Origin
from prunus_torch.module.program import follow_program
from prunus_torch.module.resize import reshaped
from prunus_torch.module.shrink import new_state, numbers_of


def rebuilt(origin: Origin, compact: Compact) -> nn.Module:
    """A copy of the module that was lowered, with the sizes and numbers of its compact form.

    Raises:
        ModelError: what is left of a parameter is no smaller tensor (names it).
    """
    state, numbers = new_state(origin, compact), numbers_of(origin, compact)
    with quiet():  # torch warns of its own call specifications when they are copied
        fresh = copy.deepcopy(origin.module)
    module = reshaped(fresh, state, numbers)
    if isinstance(origin.module, GraphModule) and isinstance(module, GraphModule):
        follow_program(origin.module, module, origin.example, numbers)
    return module
