"""Few samples where activations are large, more behind."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.folding import consumers_of
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.recovery import sample_counts
from prunus.recovery.find_designs import design_of
from prunus.recovery.recover import recover
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder


@pytest.fixture
def network():
    """Images that are halved twice: values of 8·32², 8·16², 16·16² and 16·8² numbers."""
    b = Builder(0)
    x = b.act(b.conv(b.input(3, 32), 8))
    x = b.act(b.conv(b.pool(x), 16))
    return as_network(b.model(b.conv(b.act(b.conv(b.pool(x), 16)), 4)))


@pytest.fixture
def grouping(network):
    return find_groups(network)


@pytest.fixture
def keep(grouping):
    return {group.name: np.arange(group.size) >= group.size // 4 for group in grouping.groups}


def found(network, grouping, keep, available):
    designs = [
        design_of(consumer, network, grouping) for consumer in consumers_of(network, grouping, keep)
    ]
    made = sample_counts.stages_of(network, grouping, designs, available)
    assert [number for stage in made for number in stage.designs] == list(range(len(designs)))
    return [stage.samples for stage in made]


def hold(monkeypatch, samples, copies=0):
    """Let memory hold so many samples of the largest values, and at least four beside weights."""
    room = 4 * sample_counts._HELD * 16 * 16 * 16 * samples
    monkeypatch.setattr(sample_counts, "_BYTES", room)
    monkeypatch.setattr(sample_counts, "_LEAST_BYTES", room // samples * 4)
    monkeypatch.setattr(sample_counts, "_COPIES", copies)


def test_small_values_need_one_stage(network, grouping, keep):
    assert found(network, grouping, keep, 256) == [256]


def test_memory_holds_more_samples_of_smaller_values(network, grouping, keep, monkeypatch):
    hold(monkeypatch, 6)
    assert found(network, grouping, keep, 256) == [6, 24]
    assert found(network, grouping, keep, 20) == [6, 20]
    assert found(network, grouping, keep, 5) == [5]


def test_large_weights_take_the_place_of_samples(network, grouping, keep, monkeypatch):
    hold(monkeypatch, 6, copies=1)
    assert found(network, grouping, keep, 256)[0] == 5  # the weights fill a part of the sixth
    hold(monkeypatch, 6, copies=10**6)
    assert found(network, grouping, keep, 256)[0] == 4


def test_work_is_bounded_too(network, grouping, keep, monkeypatch):
    monkeypatch.setattr(sample_counts, "_MACS", 1)
    assert found(network, grouping, keep, 256) == [sample_counts._FEWEST]


def test_stages_end_where_one_does(network, grouping, keep, draw, monkeypatch):
    """On samples that are all alike, the number of them changes no output."""
    image = draw.standard_normal((1, 3, 32, 32)).astype(np.float32)
    name = network.model.graph.inputs[0].name
    samples = {name: np.repeat(image, 24, 0)}
    once = mask(recover(network, grouping, keep, samples), grouping, keep)
    hold(monkeypatch, 6)
    twice = mask(recover(network, grouping, keep, samples), grouping, keep)
    one, two = (Session(masked.model).run({name: image}) for masked in (once, twice))
    for output, array in one.items():
        assert np.abs(array - two[output]).max() < 0.01 * np.abs(array).max()
