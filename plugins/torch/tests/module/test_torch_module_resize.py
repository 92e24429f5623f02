"""Smaller tensors for a module, and attributes that stay true."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from prunus.plugin import UsageError
from prunus_torch import resize


def state(module: nn.Module, **changes: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
    """A state dict with other tensors."""
    return OrderedDict({**module.state_dict(), **changes})


def test_a_fresh_module_takes_smaller_tensors() -> None:
    small = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.PReLU(5), nn.Linear(4, 2))
    module = resize(nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.PReLU(8), nn.Linear(6, 2)
    ), small.state_dict())  # fmt: skip
    conv, norm, slope, linear = module
    assert (conv.in_channels, conv.out_channels, norm.num_features) == (3, 5, 5)
    assert (slope.num_parameters, linear.in_features, linear.out_features) == (5, 4, 2)
    assert all(torch.equal(small.state_dict()[n], t) for n, t in module.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "shape", "attribute", "value"),
    [
        (nn.Conv2d(8, 8, 3, groups=8, bias=False), (5, 1, 3, 3), "groups", 5),
        (nn.Conv2d(8, 16, 3, groups=8, bias=False), (6, 1, 3, 3), "groups", 3),
        (nn.Conv2d(8, 8, 3, groups=2, bias=False), (4, 4, 3, 3), "groups", 1),
        (nn.Conv2d(8, 8, 3, groups=2, bias=False), (6, 3, 3, 3), "groups", 2),
        (nn.ConvTranspose2d(8, 6, 3, bias=False), (4, 6, 3, 3), "in_channels", 4),
        (nn.Embedding(10, 8), (10, 5), "embedding_dim", 5),
    ],
)
def test_attributes_follow(
    layer: nn.Module, shape: tuple[int, ...], attribute: str, value: int
) -> None:
    resize(layer, {"weight": torch.zeros(shape)})
    assert getattr(layer, attribute) == value


def test_whole_groups_of_a_normalisation_go() -> None:
    layer = nn.GroupNorm(4, 8)
    resize(layer, {"weight": torch.ones(6), "bias": torch.zeros(6)})
    assert (layer.num_groups, layer.num_channels) == (3, 6)


def test_metadata_tells_what_sizes_do_not() -> None:
    layer = nn.Conv2d(8, 8, 1, groups=2, bias=False)
    given = state(layer, weight=torch.zeros(4, 4, 1, 1))
    given._metadata = {"": {"prunus": {"groups": 2}}}  # type: ignore[attr-defined]
    resize(layer, given)
    assert (layer.groups, layer.in_channels) == (2, 8)


def test_shared_and_frozen_parameters_stay_so() -> None:
    module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    module[1].weight = module[0].weight
    module[0].weight.requires_grad_(False)
    resize(module, {"0.weight": torch.ones(3, 3), "1.weight": torch.ones(3, 3)})
    assert module[0].weight is module[1].weight
    assert not module[0].weight.requires_grad


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "the state dict has no 'weight' (Conv1d); give one of a module of the same class and settings"),
        ({"weight": torch.ones(1, 1, 1), "x": torch.ones(1)},
         "the state dict has unknown 'x' (Conv1d); give one of a module of the same class and settings"),
        ({"weight": torch.ones(1, 1)},
         "'weight' has 2 axes in the state dict, 3 in the module; give one of a module of the same class"),
    ],
)  # fmt: skip
def test_a_state_of_another_module_is_refused(given: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resize(nn.Conv1d(1, 1, 1, bias=False), given)
    assert str(caught.value) == message
