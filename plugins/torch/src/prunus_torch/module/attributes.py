"""Attributes of PyTorch's layers that say their sizes, by the sizes of their tensors.

A layer of a user's own class, derived from one of these, follows like it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

Numbers = Mapping[str, int]
"""Attribute -> its value, where the sizes of tensors do not tell it."""


def follow(part: nn.Module, numbers: Numbers) -> None:
    """Set what a layer says of its sizes, in place; other modules get the numbers alone.

    Args:
        part: A layer whose tensors have their new sizes.
        numbers: What these do not tell.
    """
    for kind, rule in _RULES:
        if isinstance(part, kind):
            rule(part, numbers)
            return
    for name, value in numbers.items():
        setattr(part, name, value)


def _convolution(part: Any, numbers: Numbers) -> None:
    """Weight ``(O, I / groups, …)``, transposed ``(I, O / groups, …)``."""
    first, second = part.weight.shape[:2]
    part.groups = numbers.get("groups") or _groups(part, first, second)
    if isinstance(part, _ConvTransposeNd):
        part.in_channels, part.out_channels = first, second * part.groups
    else:
        part.out_channels, part.in_channels = first, second * part.groups


def _groups(part: Any, first: int, second: int) -> int:
    """Groups, where whole ones went; else all are there, each with fewer channels."""
    before = part.in_channels if isinstance(part, _ConvTransposeNd) else part.out_channels
    other = part.out_channels if isinstance(part, _ConvTransposeNd) else part.in_channels
    of_each = before // part.groups
    whole = second == other // part.groups and first % of_each == 0
    return int(first // of_each) if part.groups > 1 and whole else int(part.groups)


def _linear(part: Any, numbers: Numbers) -> None:
    part.out_features, part.in_features = part.weight.shape


def _batch_norm(part: Any, numbers: Numbers) -> None:
    for vector in (part.weight, part.running_mean):
        if vector is not None:
            part.num_features = len(vector)


def _group_norm(part: Any, numbers: Numbers) -> None:
    """Whole groups go."""
    if part.weight is None:
        return
    of_each = part.num_channels // part.num_groups
    channels = len(part.weight)
    part.num_groups = numbers.get("num_groups") or max(channels // of_each, 1)
    part.num_channels = channels


def _layer_norm(part: Any, numbers: Numbers) -> None:
    if part.weight is not None:
        part.normalized_shape = tuple(part.weight.shape)


def _prelu(part: Any, numbers: Numbers) -> None:
    part.num_parameters = len(part.weight)


def _embedding(part: Any, numbers: Numbers) -> None:
    part.num_embeddings, part.embedding_dim = part.weight.shape


_RULES: tuple[tuple[type[nn.Module], Callable[[Any, Numbers], None]], ...] = (
    (_ConvNd, _convolution),
    (nn.Linear, _linear),
    (_NormBase, _batch_norm),
    (nn.GroupNorm, _group_norm),
    (nn.LayerNorm, _layer_norm),
    (nn.RMSNorm, _layer_norm),
    (nn.PReLU, _prelu),
    (nn.Embedding, _embedding),
)
"""Kind of layer -> what its tensors say of it; instance and batch normalisation are one kind."""
