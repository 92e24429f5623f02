"""The four steps on a live module: the same class comes back, smaller, and goes on living."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import prunus
from prunus.plugin import ModelError, UsageError, find_groups

pytest.importorskip("onnxscript", reason="onnxscript is not installed (prunus-torch[modules])")

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A classifier with a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.act = nn.PReLU(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``(N, 5)``."""
        x = self.act(self.bn(self.conv(x)))
        return self.head(self.depthwise(x).mean((2, 3)))


def pruned(module: nn.Module, **options: object) -> nn.Module:
    """Half of the MACs gone."""
    network = prunus.load(module, example_inputs=IMAGES)
    plan = prunus.plan(network, rate=0.5, allocation="uniform", multiple=1, **options)
    small = prunus.compact(prunus.prune(network, plan)).native
    assert isinstance(small, nn.Module)
    return small


def test_the_class_comes_back_with_true_attributes() -> None:
    small = pruned(Net())
    assert type(small) is Net
    width = small.conv.out_channels
    assert width < 8
    assert small.conv.weight.shape == (width, 3, 3, 3)
    assert (small.bn.num_features, small.act.num_parameters) == (width, width)
    assert (small.depthwise.groups, small.depthwise.in_channels) == (width, width)
    assert (small.head.in_features, small.head.out_features) == (width, 5)


def test_layers_go_by_the_names_of_the_module() -> None:
    network = prunus.load(Net(), example_inputs=IMAGES)
    assert {"conv", "bn", "act", "depthwise", "head"} <= set(network.layers)
    assert [group.name for group in find_groups(network).groups] == ["conv+depthwise"]
    assert network.bindings["conv.weight"].layer == "conv"


def test_the_users_module_stays_as_it_is() -> None:
    module = Net().train()
    module.bn.eval()
    state = copy.deepcopy(module.state_dict())
    modes = [part.training for part in module.modules()]
    pruned(module)
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())


def test_what_a_parameter_is_stays() -> None:
    module = Net()
    module.conv.weight.requires_grad_(False)
    calls: list[int] = []
    module.head.register_forward_hook(lambda *_: calls.append(1))
    small = pruned(module)
    assert not small.conv.weight.requires_grad
    assert small.head.weight.requires_grad
    before = len(calls)
    small(IMAGES)
    assert len(calls) == before + 1


def test_training_state_and_export_go_on() -> None:
    small = pruned(Net())
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    small.train()(IMAGES).square().sum().backward()
    optimizer.step()
    fresh = copy.deepcopy(small)
    fresh.load_state_dict(small.state_dict())
    torch.export.export(small.eval(), (IMAGES,))
    again = prunus.load(small, example_inputs=IMAGES)
    assert prunus.stat(again).params == sum(p.numel() for p in small.parameters())


class Tied(nn.Module):
    """A layer that is used twice, by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 12)
        self.again = self.first
        self.last = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Two passes through one layer."""
        return self.last(torch.relu(self.first(x)) + torch.tanh(self.again(x * 2)))


def test_shared_parameters_stay_shared() -> None:
    network = prunus.load(Tied(), example_inputs=torch.randn(2, 6))
    plan = prunus.plan(network, rate=0.5, allocation="uniform", multiple=1)
    small = prunus.compact(prunus.prune(network, plan)).native
    assert small.first is small.again
    assert small.first.out_features == 6
    assert small.last.in_features == 6


class Written(nn.Module):
    """A forward that holds the width of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.free = nn.Conv2d(3, 8, 3)
        self.held = nn.Conv2d(8, 6, 3)
        self.head = nn.Linear(6 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, by way of a size that is written here."""
        return self.head(self.held(self.free(x)).view(-1, 96))


def test_a_size_in_the_code_is_found_and_said() -> None:
    network = prunus.load(Written(), example_inputs=IMAGES)
    assert [group.name for group in find_groups(network).groups] == ["free"]
    reasons = {entry.layer: entry.reason for entry in prunus.stat(network).protected}
    line = inspect.getsourcelines(Written.forward)[1] + 2
    assert reasons["held"] == (
        "held by the module's code (RuntimeError: shape '[-1, 96]' is invalid for input of size 64 "
        f"at {Path(__file__).name}:{line})"
    )
    plan = prunus.plan(network, density={"free": 0.5}, multiple=1)
    assert prunus.compact(prunus.prune(network, plan)).native.held.out_channels == 6


class Silent(nn.Module):
    """A forward that groups fewer channels without an error."""

    def __init__(self) -> None:
        super().__init__()
        self.held = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Two groups, however many channels."""
        return self.head(nn.functional.group_norm(self.held(x), 2).square().mean((2, 3)))


def test_numbers_that_differ_without_an_error_are_found_too() -> None:
    network = prunus.load(Silent(), example_inputs=IMAGES)
    assert find_groups(network).groups == ()
    assert "its numbers differ by" in prunus.stat(network).protected[0].reason


def test_masked_and_module_agree() -> None:
    module = Net()
    network = prunus.load(module, example_inputs=IMAGES)
    plan = prunus.plan(network, rate=0.5, multiple=1)
    small = prunus.compact(prunus.prune(network, plan, data=IMAGES.numpy()))
    masked = prunus.evaluate(small, IMAGES.numpy(), metric="fidelity")
    assert np.isfinite(masked.value)
    with torch.no_grad():
        found = small.native.eval()(IMAGES).numpy()
    assert found.shape == (2, 5)


def test_example_inputs_are_asked_for() -> None:
    with pytest.raises(UsageError) as caught:
        prunus.load(Net())
    assert str(caught.value) == (
        "a live model of format torch is called once to be read; give example_inputs=, what you "
        "call it with"
    )


def test_inputs_that_do_not_fit_are_said() -> None:
    with pytest.raises(ModelError, match="^Net: does not run on the example inputs: RuntimeError"):
        prunus.load(Net(), example_inputs=torch.randn(1, 4, 8, 8))


def test_what_cannot_be_exported_is_said() -> None:
    class Chooses(nn.Module):
        """Control flow by data."""

        def forward(self, x: Tensor) -> Tensor:
            """One of two."""
            return x + 1 if x.sum() > 0 else x - 1

    with pytest.raises(ModelError, match="^Chooses: torch.export cannot follow the module: "):
        prunus.load(Chooses(), example_inputs=torch.randn(2, 3))


class Halves(nn.Module):
    """A convolution cut by a number that the part keeps, as C2f of YOLOv8 does."""

    def __init__(self) -> None:
        super().__init__()
        self.c = 4
        self.conv = nn.Conv2d(3, 2 * self.c, 1)
        self.last = nn.Conv2d(2 * self.c, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One half squared."""
        first, second = self.conv(x).split((self.c, self.c), 1)
        return self.last(torch.cat([first, second * second], 1))


def test_numbers_that_a_part_keeps_follow() -> None:
    network = prunus.load(nn.Sequential(Halves()), example_inputs=IMAGES)
    assert not network.frozen
    plan = prunus.plan(network, rate=0.5, allocation="uniform", multiple=1)
    small = prunus.compact(prunus.prune(network, plan)).native
    assert (small[0].c, small[0].conv.out_channels) == (2, 4)
