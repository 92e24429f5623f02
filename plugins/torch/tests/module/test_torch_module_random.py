"""Property: the rebuilt module computes what the masked network does, for random modules."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

import prunus
from prunus.plugin import PlanError
from prunus_torch.testing.modules import modules

pytest.importorskip("onnxscript", reason="onnxscript is not installed (prunus-torch[modules])")


@given(modules())
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_masked_and_rebuilt_module_compute_the_same(module: nn.Module) -> None:
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    network = prunus.load(module, example_inputs=torch.randn(1, 3, 6, 6))
    assert not network.frozen, "plain layers hold no size"
    try:
        plan = prunus.plan(network, rate=0.4, allocation="uniform", multiple=1, best_effort=True)
    except PlanError:
        return
    small = prunus.compact(prunus.prune(network, plan)).native  # proven in torch, too
    assert type(small) is type(module)
    assert small.training == module.training
    count = sum(parameter.numel() for parameter in small.parameters())
    assert count < sum(parameter.numel() for parameter in module.parameters())
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, state[name])
    for part in small.modules():
        if isinstance(part, nn.Conv2d):
            assert part.weight.shape[:2] == (part.out_channels, part.in_channels // part.groups)
    small.train()(torch.randn(4, 3, 6, 6)).sum().backward()
