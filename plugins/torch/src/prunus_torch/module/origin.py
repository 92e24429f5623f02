"""What a network keeps of the module it was lowered from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
from torch import Tensor, nn

from prunus_torch.module.example import Example
from prunus_torch.module.views import Places, Positions


@attrs.frozen(eq=False)
class Origin:
    """A module and the way from the neutral graph back to it.

    Attributes:
        module: A copy of the user's module, each part in the mode it was in.
        example: A call of it.
        places: Its parameters and buffers, as `views` counts their numbers.
        positions: Initializer name -> position of each of its numbers.
        path: The file it was read from, where there is one.
    """

    module: nn.Module
    example: Example
    places: Places
    positions: Mapping[str, Positions]
    path: Path | None = None


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by all their names."""
    found: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    return found | dict(module.named_buffers(remove_duplicate=False))
