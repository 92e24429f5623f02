from __future__ import annotations

import re
from itertools import pairwise

import pytest

from prunus.prunable import prunable
from prunus.report.blocks import blocks_of
from prunus.report.drawing import describe, draw
from prunus.report.facts import LayerFacts, by_layer
from prunus.report.layers import layer_facts


def facts(layer="conv", kept=8, size=8, **more):
    return LayerFacts(
        layer, "Conv", (8, 4, 4), "channels", size, kept, 72, 9 * kept, 100, 100, **more
    )


def drawn(network, keep=None):
    subject = prunable(network)
    return draw(blocks_of(network), layer_facts(subject, keep or {}, network.model))


def test_every_part_is_drawn_once_and_pieces_follow_each_other(lenet, tokens):
    for network in (lenet, tokens):
        pieces = drawn(network)
        assert [bar.block for piece in pieces for bar in piece.bars] != []
        blocks = [bar.block for piece in pieces for bar in piece.bars]
        assert sorted(block.layer for block in blocks) == sorted(
            b.layer for b in blocks_of(network)
        )
        left = 0
        for piece in pieces:
            assert piece.left == left
            assert all(0 < bar.x < piece.width and bar.y < piece.height for bar in piece.bars)
            left += piece.width


def test_links_leave_a_piece_where_they_enter_the_next(lenet):
    pieces = drawn(lenet)
    for first, second in pairwise(pieces):
        assert set(first.links) & set(second.links)


def test_a_bar_shows_the_share_that_stays():
    pieces = draw(blocks_of_one(), {"conv": facts(kept=2)})
    bar = pieces[-1].bars[0]
    assert bar.filled == pytest.approx(bar.height / 4, abs=0.1)
    assert (bar.step, bar.below, bar.protected) == (4, "2 of 8", False)


def blocks_of_one():
    from prunus.report.blocks import Block

    return (Block("conv", "conv", "Conv", "layer"),)


def test_words_about_a_layer():
    (block,) = blocks_of_one()
    told = describe(block, facts(kept=2, tied=("a", "b"), reasons=("graph output",)))
    assert told == (
        "conv: Conv 8×4×4",
        "2 of 8 channels kept (75 % removed)",
        "MACs 100",
        "parameters 72 → 18",
        "its channels go together with those of a, b",
        "protected: graph output",
    )
    assert facts().fate == "all 8 channels kept"


def test_many_tied_layers_are_counted():
    assert facts(tied=("a", "b", "c", "d")).bound == "with a, b and 2 more"
    assert facts(tied=("a",), reasons=("excluded",)).bound == "excluded"
    assert facts().bound == ""


def test_nodes_of_one_layer_are_summed():
    first, second = by_layer([facts(), facts("other"), facts(kept=4)])
    assert (first.params, first.kept_params, first.macs, first.kept) == (144, 108, 200, 8)
    assert second.layer == "other"


def test_counts_of_layers_are_those_of_the_network(lenet):
    subject = prunable(lenet)
    found = layer_facts(subject, {}, lenet.model)
    assert sum(one.macs for one in found.values()) == subject.macs({})
    assert sum(one.params for one in found.values()) == subject.params({}, lenet.model)
    assert all(one.kept == one.size and one.kept_macs == one.macs for one in found.values())


def test_links_are_paths_of_numbers(tokens):
    for piece in drawn(tokens):
        for path in piece.links:
            assert re.fullmatch(r"[MCH\d. -]+", path)
