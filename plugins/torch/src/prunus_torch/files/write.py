"""Networks as files of torch, of the kind that was read; live modules become programs."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from prunus.plugin import Compact, Destination, ModelError, Network, Written
from prunus_torch.files.kinds import PROGRAM
from prunus_torch.files.opening import open_program
from prunus_torch.files.read import replace_state
from prunus_torch.module.exporting import evaluating, exported, first_line, quiet
from prunus_torch.module.origin import Origin
from prunus_torch.module.rebuild import rebuilt
from prunus_torch.module.resize import NUMBERS
from prunus_torch.module.shrink import numbers_of

_LIVE = Path(f"model{PROGRAM}")
"""Name of a module that came from no file."""


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write a file of the destination's name; without the ending of the one read, a folder.

    Raises:
        ModelError: torch cannot export the smaller module.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    whole = destination.stage == "masked"
    smaller = Compact(network.model, {}) if whole else compact
    read = origin.path or _LIVE
    path = destination.directory / (destination.name or "")
    if destination.name is None or path.suffix != read.suffix:
        path = path / read.name
    path.parent.mkdir(exist_ok=True)
    module = rebuilt(origin, smaller)
    if read.suffix != PROGRAM:
        _save_checkpoint(origin, module, smaller, path)
    elif whole and origin.path is not None:
        _save_masked(origin.path, module, path)
    else:
        _save_program(module, origin, path)
    return Written(path, None)


def _save_masked(read: Path, module: nn.Module, path: Path) -> None:
    """The program that was read, with other numbers: nothing else changes."""
    program = open_program(read)
    replace_state(program, module.state_dict(), read)
    with quiet():
        torch.export.save(program, path)


def _save_program(module: nn.Module, origin: Origin, path: Path) -> None:
    with evaluating(module):
        program = exported(module, origin.example)
    try:
        with quiet():
            torch.export.save(program, path)
    except Exception as error:
        raise ModelError(
            f"{type(module).__name__}: torch.export cannot save the smaller module: "
            f"{first_line(error)}"
        ) from error


def _save_checkpoint(origin: Origin, module: nn.Module, compact: Compact, path: Path) -> None:
    """A state dict; what its sizes do not tell is in its metadata. A pickled module stays one."""
    if origin.pickled:
        torch.save(module, path)
        return
    state: OrderedDict[str, Tensor] = OrderedDict(module.state_dict())
    metadata = {name: dict(entry) for name, entry in module.state_dict()._metadata.items()}  # type: ignore[attr-defined]
    for part, numbers in numbers_of(origin, compact).items():
        metadata.setdefault(part, {})[NUMBERS] = dict(numbers)
    state._metadata = metadata  # type: ignore[attr-defined]
    torch.save(state, path)
