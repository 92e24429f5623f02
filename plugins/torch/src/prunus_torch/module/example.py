"""Example inputs of a module: as it is called, and as the neutral graph is fed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree

from prunus.plugin import UsageError

SAMPLES = 2
"""Samples of an example: torch.export takes sizes 0 and 1 for constants."""


@attrs.frozen(eq=False)
class Example:
    """Arguments of a call.

    Attributes:
        args: Positional arguments; every tensor has samples on axis 0.
        kwargs: Arguments by name.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def tensors(self) -> list[Tensor]:
        """The tensors in the order of a graph's inputs."""
        leaves = pytree.tree_leaves((self.args, dict(self.kwargs)))
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    def feeds(self, names: list[str]) -> dict[str, NDArray[Any]]:
        """Graph input name -> array."""
        arrays = [tensor.detach().cpu().numpy() for tensor in self.tensors()]
        return dict(zip(names, arrays, strict=True))

    def replaced(self, arrays: list[NDArray[Any]]) -> Example:
        """The same call with other numbers in its tensors, on their devices and in their types."""
        given = iter(arrays)

        def other(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return torch.from_numpy(np.array(next(given))).to(leaf)

        args, kwargs = pytree.tree_map(other, (self.args, dict(self.kwargs)))
        return Example(args, kwargs)


def example_of(inputs: object) -> Example:
    """The call that example inputs stand for.

    Args:
        inputs: A tensor, a tuple or list of positional arguments, or a mapping of arguments by
            name; tensors may be nested in lists, tuples and dicts.

    Raises:
        UsageError: they hold no tensor, or one without an axis for samples.
    """
    if isinstance(inputs, Mapping):
        args, kwargs = (), dict(inputs)
    else:
        args, kwargs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,), {}
    example = Example(args, kwargs)
    tensors = example.tensors()
    if not tensors:
        raise UsageError(
            "example_inputs: holds no tensor; give what the module is called with: a tensor, a "
            "tuple of them, or a dict of arguments by name"
        )
    if any(not tensor.ndim for tensor in tensors):
        raise UsageError(
            "example_inputs: a tensor has no axis for samples; give each tensor a first axis that "
            "runs over samples"
        )
    args, kwargs = pytree.tree_map(_several, (args, kwargs))
    return Example(args, kwargs)


def _several(leaf: Any) -> Any:
    """Two samples of a tensor; one is repeated."""
    if not isinstance(leaf, Tensor):
        return leaf
    return leaf.expand(SAMPLES, *leaf.shape[1:]).clone() if len(leaf) == 1 else leaf[:SAMPLES]
