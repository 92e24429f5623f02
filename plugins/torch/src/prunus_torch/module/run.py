"""Running a module as its graph is run: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.plugin import ModelError, Network
from prunus_torch.module.example import Example
from prunus_torch.module.exporting import evaluating, first_line
from prunus_torch.module.origin import Origin


def outputs_of(module: nn.Module, example: Example) -> list[NDArray[Any]]:
    """Every tensor that a call in evaluation mode gives, in order."""
    with evaluating(module), torch.no_grad():
        given = module(*example.args, **example.kwargs)
    leaves = pytree.tree_leaves(given)
    return [np.asarray(leaf.cpu().numpy()) for leaf in leaves if isinstance(leaf, Tensor)]


def run(
    network: Network, module: nn.Module, inputs: Mapping[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    """Graph output name -> what the module gives for graph inputs of these names.

    Raises:
        ModelError: the module does not run on them.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    given = [inputs[value.name or ""] for value in network.model.graph.inputs]
    try:
        found = outputs_of(module, origin.example.replaced(given))
    except Exception as error:
        raise ModelError(f"{type(module).__name__}: does not run: {first_line(error)}") from error
    names = [value.name or "" for value in network.model.graph.outputs]
    return dict(zip(names, found, strict=True))
