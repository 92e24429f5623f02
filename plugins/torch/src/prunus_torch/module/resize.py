"""Smaller tensors for a module, and attributes that stay true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunus.plugin import UsageError
from prunus_torch.module.attributes import follow
from prunus_torch.module.origin import tensors_of

NUMBERS = "prunus"
"""Key in the metadata of a state dict: attributes that the sizes of its tensors do not tell."""


def resize(module: nn.Module, state: Mapping[str, Any]) -> nn.Module:
    """Give a module the sizes of a state dict, and its numbers.

    A module as its class builds it takes the tensors of a pruned one::

        module = prunus_torch.resize(resnet50(), torch.load("pruned.pt", weights_only=True))

    Attributes such as ``out_channels``, ``num_features``, ``groups`` follow. Shared parameters stay
    shared; types, devices, ``requires_grad`` and hooks stay.

    Args:
        module: The module, changed in place.
        state: Name of a parameter or buffer -> tensor.

    Returns:
        The module.

    Raises:
        UsageError: a tensor is missing, unknown, or has another number of axes.
    """
    tensors = tensors_of(module)
    kept = set(module.state_dict())
    for said, names in (("has no", kept - state.keys()), ("has unknown", state.keys() - kept)):
        if names:
            raise UsageError(
                f"the state dict {said} '{min(names)}' ({type(module).__name__}); give one of a "
                "module of the same class and settings"
            )
    for name in state.keys() & tensors.keys():
        if tensors[name].ndim != torch.as_tensor(state[name]).ndim:
            raise UsageError(
                f"'{name}' has {torch.as_tensor(state[name]).ndim} axes in the state dict, "
                f"{tensors[name].ndim} in the module; give one of a module of the same class"
            )
    metadata = getattr(state, "_metadata", {})
    numbers = {part: entry[NUMBERS] for part, entry in metadata.items() if NUMBERS in entry}
    return reshaped(module, state, numbers)


def reshaped(
    module: nn.Module, state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, int]]
) -> nn.Module:
    """The same for some tensors of a module, of which nothing has to be checked.

    Args:
        module: The module, changed in place.
        state: Name -> tensor or array.
        numbers: Part -> attribute -> its value, where sizes do not tell it.
    """
    tensors = tensors_of(module)
    for name in state.keys() & tensors.keys():
        _fill(tensors[name], state[name])
    for name, part in module.named_modules(remove_duplicate=False):
        follow(part, numbers.get(name, {}))
    return module


def _fill(tensor: Tensor, new: Any) -> None:
    """New numbers of another size for a tensor that stays the same object."""
    with torch.no_grad():
        source = torch.from_numpy(np.array(new)) if isinstance(new, np.ndarray) else new
        tensor.grad = None
        tensor.data = source.detach().to(tensor).clone()
