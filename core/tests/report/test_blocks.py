from __future__ import annotations

from prunus.report.blocks import blocks_of


def test_layers_without_weights_follow_the_one_before(lenet):
    found = blocks_of(lenet)
    assert [(block.layer, block.kind) for block in found] == [
        ("data", "input"), ("conv1", "layer"), ("conv2", "layer"), ("ip1", "layer"),
        ("ip2", "layer"),
    ]  # fmt: skip
    assert [block.sources for block in found] == [(), (0,), (1,), (2,), (3,)]
    assert found[1].followed == ("relu1", "pool1")
    assert found[2].followed == ("act2", "flat")
    assert found[4].outputs == ("ip2",)


def test_a_residual_join_reads_both_paths(tokens):
    found = blocks_of(tokens)
    join = next(block for block in found if block.kind == "join")
    assert (join.layer, join.sign) == ("sum", "+")
    assert [found[source].layer for source in join.sources] == ["ip1", "ip2"]


def test_every_layer_is_named_once(tokens, lenet):
    for network in (tokens, lenet):
        found = blocks_of(network)
        named = [name for block in found for name in (block.layer, *block.followed)]
        assert sorted(named) == sorted((*network.layers, "data"))
