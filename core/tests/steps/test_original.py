from __future__ import annotations

from pathlib import Path

import attrs
import onnx_ir as ir
import pytest

from prunus.errors import UsageError
from prunus.network import Source
from prunus.steps.loaded import load
from prunus.steps.original import original_of
from prunus.steps.workspace import Workspace
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder

WORKSPACE = Workspace(Path("ws"))


@pytest.fixture
def masked(host, settings):
    """As if it had a mask: that is not looked at here."""
    return load(host, settings)


@pytest.fixture
def another_structure(settings):
    b = Builder(0)
    ir.save(as_network(b.model(b.conv(b.input(3, 6), 6))).model, "small.onnx")
    return Path("small.onnx")


def weights(network):
    return network.weights()["conv1/weight"].tolist()


def test_the_workspaces(host, settings, other, masked):
    assert original_of(host, settings, None, masked) is None
    assert original_of(host, settings, WORKSPACE, masked) is None
    WORKSPACE.remember("original", Source(other.model))
    found = original_of(host, settings, WORKSPACE, masked)
    assert found.source == attrs.evolve(masked.source, model=other.model.absolute())
    assert weights(found.network) == weights(load(host, other).network)


def test_one_that_is_gone_or_of_another_structure_is_none(host, settings, masked, another_structure):  # fmt: skip
    WORKSPACE.remember("original", Source(Path("gone.onnx")))
    assert original_of(host, settings, WORKSPACE, masked) is None
    WORKSPACE.remember("original", Source(another_structure))
    assert original_of(host, settings, WORKSPACE, masked) is None


def test_the_configurations_goes_first(host, settings, other, masked):
    WORKSPACE.remember("original", Source(settings.model))
    named = attrs.evolve(settings, baseline=other.model)
    found = original_of(host, named, WORKSPACE, masked)
    assert weights(found.network) == weights(load(host, other).network)


def test_a_baseline_that_cannot_be_one(host, settings, masked, another_structure):
    with pytest.raises(UsageError) as caught:
        original_of(host, attrs.evolve(settings, baseline=Path("no.onnx")), WORKSPACE, masked)
    assert str(caught.value) == "no.onnx: no such file; check baseline in the configuration"
    with pytest.raises(UsageError) as caught:
        original_of(host, attrs.evolve(settings, baseline=another_structure), WORKSPACE, masked)
    assert str(caught.value) == "small.onnx: baseline has another structure than net.onnx"
