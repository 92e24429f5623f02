"""What users do with a smaller module: compile it, train it here, and other dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import prunus
from prunus_torch.testing.small import Small

pytest.importorskip("onnxscript", reason="onnxscript is not installed (prunus-torch[modules])")


def test_the_smaller_module_is_compiled() -> None:
    inputs = torch.randn(2, 3, 6, 6)
    network = prunus.load(Small().eval(), example_inputs=inputs)
    small = prunus.compact(prunus.prune(network, prunus.plan(network, rate=0.4))).native
    compiled = torch.compile(small, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(inputs), small(inputs), atol=1e-6)


def test_the_channels_that_stay_are_trained_on_the_graph_and_come_back() -> None:
    draw = np.random.default_rng(0)
    inputs, labels = draw.standard_normal((32, 3, 6, 6)).astype("f4"), draw.integers(0, 5, 32)
    network = prunus.load(Small(), example_inputs=torch.randn(2, 3, 6, 6))
    masked = prunus.prune(network, prunus.plan(network, rate=0.4))
    trained = prunus.finetune(masked, data=(inputs, labels), epochs=1)
    before, after = (prunus.compact(one).native.state_dict() for one in (masked, trained))
    assert {name: tensor.shape for name, tensor in before.items()} == {
        name: tensor.shape for name, tensor in after.items()
    }
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_of_one_and_of_three_axes(axes: int) -> None:
    conv = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
    module = nn.Sequential(
        conv(2, 12, 3, padding=1), nn.ReLU(), conv(12, 8, 3), nn.Flatten(), nn.LazyLinear(3)
    )
    inputs = torch.randn(2, 2, *[5] * axes)
    module(inputs)
    network = prunus.load(module, example_inputs=inputs)
    plan = prunus.plan(network, rate=0.5, multiple=1)
    small = prunus.compact(prunus.prune(network, plan)).native  # proven in torch, too
    assert small[0].out_channels == small[2].in_channels < 12
    assert small[2].out_channels * 3**axes == small[4].in_features
