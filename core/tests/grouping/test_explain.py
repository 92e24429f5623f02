from __future__ import annotations

import pytest

from prunus.cli.explain import lines
from prunus.errors import UsageError
from prunus.grouping.explain import TIED, explain
from prunus.prunable import prunable
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


@pytest.fixture(scope="module")
def residual():
    """Two convolutions added; one more behind them makes the output."""
    b = Builder(0)
    first = b.act(b.conv(b.input(3, 8), 8))
    both = b.add(first, b.conv(first, 8))
    return as_network(b.model(b.conv(b.act(both), 4)))


def names(network):
    return [
        next(layer for layer, nodes in network.layers.items() if node.name in nodes)
        for node in network.model.graph
    ]


def test_tied_layers_have_a_way_to_each_other(residual):
    first, act, second, add, *_ = names(residual)
    (found,) = explain(prunable(residual), second)
    assert (found.state, found.channels, found.mend) == ("tied", 8, TIED)
    (chain,) = found.chains
    assert str(chain) == f"{second} → {add} ← {act} ← {first}"
    assert lines(found)[0] == (
        f"{second}: 8 channels can go, each together with those of 1 other layer:"
    )


def test_an_output_is_reached(residual):
    last = names(residual)[-1]
    (found,) = explain(prunable(residual), last)
    assert (found.state, found.reason) == ("protected", "graph output")
    assert [str(chain) for chain in found.chains] == [last]
    assert lines(found) == [
        f"{last}: 4 channels stay: graph output",
        f"- {last}",
        "to free them: nothing: whoever uses the network counts these channels",
    ]


def test_an_excluded_layer_protects_those_it_is_tied_to(residual):
    first, _, second, *_ = names(residual)
    (found,) = explain(prunable(residual, (first,)), second)
    assert (found.state, found.reason) == ("protected", "excluded")
    assert found.mend == "leave its name, or that of a layer tied to it, out of exclude"


def test_a_layer_alone_is_free():
    b = Builder(0)
    network = as_network(b.model(b.conv(b.act(b.conv(b.input(3, 8), 8)), 4)))
    (found,) = explain(prunable(network), names(network)[0])
    assert lines(found) == [
        f"{names(network)[0]}: 8 channels can go one by one, tied to no other layer"
    ]


def test_names_that_cannot_be_explained(residual):
    first, *_ = names(residual)
    with pytest.raises(UsageError) as caught:
        explain(prunable(residual), f"{first}x")
    assert str(caught.value) == (
        f"{first}x: the network has no such layer; did you mean '{first}'?; 'prunus stat' lists them"
    )


def test_a_layer_without_weights_names_its_neighbours(residual):
    first, act, second, *_, last = names(residual)
    for layer, near in (
        (act, f"{first} and {second}"),
        (names(residual)[-2], f"{second} and {last}"),
    ):
        with pytest.raises(UsageError) as caught:
            explain(prunable(residual), layer)
        assert str(caught.value) == (
            f"{layer}: makes no channels of its own, it passes on those of other layers; ask about "
            f"one that has weights, the nearest: {near}"
        )


def test_classes_behind_a_softmax():
    b = Builder(0)
    network = as_network(b.model(b.act(b.conv(b.input(3, 8), 4), "Softmax", axis=1)))
    (found,) = explain(prunable(network), names(network)[0])
    assert "(Softmax) mixes its channels" in found.reason
    assert found.mend == (
        "nothing, where the layer gives the network's answer: its classes; elsewhere another "
        "structure: the layer compares all channels with each other"
    )
