from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import prunus
from prunus.graph.digest import weights_digest


@pytest.fixture
def network(lenet):
    return prunus.load(ir.to_proto(lenet.model))


def distinct(network):
    return {
        name: np.unique(array).size
        for name, array in network.weights().items()
        if name.endswith("weight")
    }


def test_files_of_the_network_with_shared_weights(network, tmp_path):
    found = prunus.compress(network, bits={"conv": 4, "fc": 3})
    assert distinct(found.network) == {
        "conv1/weight": 16,
        "conv2/weight": 16,
        "ip1/weight": 8,
        "ip2/weight": 8,
    }
    file = found.save(tmp_path / "deep/net.prunus")
    assert file.read_bytes() == found.contents
    written = prunus.decompress(file, tmp_path / "native")
    onnx.checker.check_model(str(written.model))
    again = prunus.load(written.model)
    for name, array in found.network.weights().items():
        np.testing.assert_array_equal(again.weights()[name], array)
    assert written.model.stat().st_size == found.native_bytes


def test_again_without_loss(network, tmp_path):
    first = prunus.compress(network)
    again = prunus.compress(first.network)
    assert weights_digest(again.network) == weights_digest(first.network)
    assert again.contents == first.contents


def test_the_given_network_is_not_changed(network):
    before = weights_digest(network)
    prunus.compress(network, bits=1)
    assert weights_digest(network) == before


def test_bytes_of_every_stage(network):
    weights = network.weights()["ip1/weight"].copy()
    weights[np.abs(weights) < np.quantile(np.abs(weights), 0.9)] = 0
    found = prunus.compress(network.with_weights({"ip1/weight": weights}), bits=4)
    rows = {row.name: row for row in found.layers}
    row = rows["ip1/weight"]
    assert (row.weights, row.nonzero, row.bits) == (3840, 384, 4)
    assert row.dense == 4 * 3840
    assert row.entries >= 384
    assert row.pruned == -(-row.entries * (32 + row.index_bits) // 8)
    assert row.shared == -(-row.entries * (4 + row.index_bits) // 8) + 16 * 4
    assert row.dense > row.pruned > row.shared > row.coded - row.codebook
    whole = rows["conv2/weight"]
    assert (whole.index_bits, whole.pruned) == (0, whole.dense)
    assert whole.positions == 0
    assert sum(row.coded for row in found.layers) < len(found.contents) < found.native_bytes / 4


def test_layers_that_stay_whole(network):
    found = prunus.compress(network, exclude=("ip1",))
    before, after = network.weights(), found.network.weights()
    np.testing.assert_array_equal(after["ip1/weight"], before["ip1/weight"])
    assert "ip1/weight" not in {row.name for row in found.layers}


def test_pruned_networks_too(network, draw, tmp_path):
    samples = draw.standard_normal((40, 1, 12, 12)).astype(np.float32)
    masked = prunus.prune(network, prunus.plan(network, rate=0.5), data=samples)
    small = prunus.compact(masked)
    for pruned in (masked, small):
        found = prunus.compress(pruned, bits=5)
        written = prunus.decompress(found.save(tmp_path / "net.prunus"), tmp_path / "native")
        again = prunus.load(written.model)
        assert weights_digest(again) == weights_digest(found.network)
    assert prunus.stat(again).params == prunus.stat(small.network).params


def test_more_bits_are_nearer(network):
    weights = network.weights()["ip1/weight"]
    errors = [
        np.abs(prunus.compress(network, bits=bits).network.weights()["ip1/weight"] - weights).max()
        for bits in (1, 3, 5, 8)
    ]
    assert sorted(errors, reverse=True) == errors
    assert errors[-1] < 0.02 * np.abs(weights).max()
