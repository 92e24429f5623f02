"""What a network keeps of the module it was lowered from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
from torch import Tensor, nn

from prunus_torch.module.example import Example
from prunus_torch.module.own_numbers import Target
from prunus_torch.module.views import Places, Positions


@attrs.frozen(eq=False)
class Origin:
    """A module and the way from the neutral graph back to it.

    Attributes:
        module: A copy of the user's module, each part in the mode it was in.
        example: A call of it.
        places: Its parameters and buffers, as `views` counts their numbers.
        moved: Name of an initializer that is no parameter as it is -> position of each of its
            numbers.
        shown: Start of a parameter -> initializers that show numbers of it.
        targets: Reshape of the graph -> the part of the module that makes it, and its sizes.
        path: The file it was read from, where there is one.
        pickled: Whether that file is the module itself, pickled whole.
    """

    module: nn.Module
    example: Example
    places: Places
    moved: Mapping[str, Positions]
    shown: Mapping[int, tuple[str, ...]]
    targets: Mapping[str, Target]
    path: Path | None = None
    pickled: bool = False


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by all their names."""
    found: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    return found | dict(module.named_buffers(remove_duplicate=False))
