"""Work grows with the number of layers: what is asked of a whole network is asked once."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from prunus.formats import onnx_fold
from prunus.formats.onnx_read import read_onnx
from prunus.grouping import find_groups
from prunus.masking import mask, masked_units
from prunus.methods import by_sensitivity, uniform
from prunus.network import Network
from prunus.planning.budget import Budget, Planning
from prunus.prunable import prunable
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


def chain(length):
    b = Builder(0)
    x = b.input(3, 2)
    for _ in range(length):
        x = b.act(b.conv(x, 4, 1))
    return b.model(b.conv(x, 3, 1))


def counted(monkeypatch, owner, name):
    calls = []
    function = getattr(owner, name)

    def count(*arguments, **options):
        calls.append(name)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, count)
    return calls


@pytest.mark.parametrize("length", [5, 40])
def test_weights_are_asked_for_once(length, monkeypatch):
    network = as_network(chain(length))
    grouping = find_groups(network)
    keep = {group.name: np.arange(4) < 2 for group in grouping.groups}
    calls = counted(monkeypatch, Network, "weights")
    assert len(masked_units(mask(network, grouping, keep), grouping)) == length
    assert len(calls) == 2  # once to mask, once to read the mask


def test_shapes_are_inferred_as_often_in_long_files(monkeypatch, tmp_path):
    found = []
    for length in (5, 40):
        ir.save(chain(length), tmp_path / "net.onnx")
        with monkeypatch.context() as patch:
            calls = counted(patch, onnx_fold, "shapes_with")
            read_onnx(tmp_path / "net.onnx", None)
        found.append(len(calls))
    assert found[0] == found[1] <= 5


@pytest.mark.parametrize("policy", [uniform, by_sensitivity])
def test_the_cost_of_a_network_is_counted_as_often_for_many_layers(policy, monkeypatch):
    """Both plans need some sums over all layers, not one for each group."""
    found = []
    for length in (30, 240):
        subject = prunable(as_network(chain(length)))
        groups = subject.grouping.groups
        points = tuple(Point(r / 4, 4 - r, 0.9 - 0.01 * r, 0.001) for r in (1, 2, 3))
        curves = tuple(Curve(group.name, 4, points) for group in groups)
        planning = Planning(
            groups,
            {group.name: np.arange(4.0) for group in groups},
            {group.name: np.ones(4, bool) for group in groups},
            subject.cost,
            Sensitivity("top-1", True, Measurement(0.9, 0.001), curves, {}),
        )
        with monkeypatch.context() as patch:
            calls = counted(patch, type(subject.cost), "layer_macs")
            keep = policy.prunus_mask("", planning, Budget(rate=0.3, multiple=1))
        assert subject.rate(keep) == pytest.approx(0.3, rel=0.01)
        found.append(len(calls))
    assert found[1] <= 2 * found[0]


def test_a_layer_of_the_cost_knows_its_own_groups_alone():
    cost = prunable(as_network(chain(40))).cost
    assert cost.outputs.nnz == 40
    assert cost.inputs.nnz == 40
    assert cost.curvature.nnz <= 3 * 40
