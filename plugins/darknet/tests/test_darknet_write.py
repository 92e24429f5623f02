from __future__ import annotations

import difflib
from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.errors import ModelError
from prunus.network import Compact, Destination, Network, Source
from prunus.testing import cut
from prunus_darknet.read import load
from prunus_darknet.testing.compare import compare_with_darknet, random_input, run_graph
from prunus_darknet.testing.pruning import compare_compact_with_darknet, written
from prunus_darknet.write import write

BN = (
    "[convolutional]\n# a comment\nbatch_normalize=1\nfilters = {n}\nsize=3\npad=1\n"
    "activation=leaky\n"
)
NET = (
    BN.format(n=8)
    + "\n[maxpool] \nsize=2\nstride=2\n\n"
    + BN.format(n=16)
    + "groups=8\n"
    + "[connected]\noutput = 10   \nactivation=relu\n"
    + "[connected]\noutput=4\nactivation=linear\n[softmax]\n"
)


@pytest.fixture
def network(make_files):
    return load(Source(*make_files(NET)))


def identity(network: Network) -> Compact:
    return Compact(network.model, {})


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    first, second = before.split("\n"), after.split("\n")
    assert len(first) == len(second)
    return [(a, b) for a, b in zip(first, second, strict=True) if a != b]


@pytest.mark.parametrize("stage", ["masked", "compact"])
def test_writing_unchanged_gives_the_same_bytes(stage, network, tmp_path):
    destination = Destination(tmp_path, stage)
    files = write(network, identity(network), destination)
    origin = network.origin.cfg
    (structure,) = files.others or (files.model,)
    assert structure.read_bytes() == origin.path.read_bytes()
    assert files.weights.read_bytes() == origin.path.with_suffix(".weights").read_bytes()


def test_names_follow_the_ancestor(network, tmp_path):
    masked = write(network, identity(network), Destination(tmp_path, "masked"))
    assert masked.model == network.origin.cfg.path
    assert masked.weights == tmp_path / "weights.prune"
    assert masked.others == (tmp_path / "net-prune.cfg",)
    compact = write(network, identity(network), Destination(tmp_path, "compact"))
    assert compact.model == tmp_path / "model-transform.cfg"
    assert compact.weights == tmp_path / "model-transform.weights"
    named = write(network, identity(network), Destination(tmp_path, "compact", "mine.cfg"))
    assert (named.model.name, named.weights.name) == ("mine.cfg", "mine.weights")
    options = {"prunedcfg": "a/p.cfg", "prune_out_weights": "b/w.prune"}
    asked = write(network, identity(network), Destination(tmp_path, "masked", None, options))
    assert (asked.weights, asked.others) == (tmp_path / "w.prune", (tmp_path / "p.cfg",))


def test_only_numbers_that_changed_are_edited(network, tmp_path):
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out")
    changed = changed_lines(network.origin.cfg.text, files.model.read_bytes().decode("latin-1"))
    assert changed == [
        ("filters = 8", "filters = 4"),
        ("filters = 16", "filters = 8"),
        ("groups=8", "groups=4"),
        ("output = 10   ", "output = 5   "),
    ]


def test_masked_weights_load_in_the_original_structure(network, tmp_path):
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out", "masked")
    again = load(Source(files.model, files.weights)).weights()
    for name, array in pruned.masked.weights().items():
        assert np.array_equal(again[name], array), name
    assert "filters = 4" in files.others[0].read_text()


@pytest.mark.darknet
def test_compact_files_in_darknet_equal_the_masked_network(network, tmp_path, darknet):
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out")
    data = random_input(network.origin.structure.input, 1)
    difference = compare_compact_with_darknet(pruned, files, data)
    assert difference.compared == 6
    assert difference.error <= 1e-5, difference


@pytest.mark.darknet
def test_old_transposed_files_stay_transposed(make_files, tmp_path, darknet):
    header = np.array([1001, 2, 0, 77], "<i4").tobytes()
    network = load(Source(*make_files(NET, header=header)))
    files = written(cut(network, 0.5), tmp_path / "out")
    assert files.weights.read_bytes()[:16] == header
    again = load(Source(files.model, files.weights))
    assert compare_with_darknet(again, files.model, files.weights).error <= 1e-5


def test_variance_of_kept_channels_is_written_bit_for_bit(network, tmp_path):
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out")
    before = network.origin.slots[0, 3]
    after = load(Source(files.model, files.weights)).origin.slots[0, 3]
    kept = pruned.compact.kept["0:convolutional/variance"][0]
    assert np.array_equal(before[kept], after)


def test_trained_variance_is_inverted(network, tmp_path):
    name = "0:convolutional/variance"
    trained = (network.weights()[name] * 1.7).astype(np.float32)
    changed = network.with_weights({name: trained})
    files = write(changed, identity(changed), Destination(tmp_path, "masked"))
    again = load(Source(files.model, files.weights)).weights()[name]
    np.testing.assert_allclose(again, trained, rtol=1e-6)


ROUTE = (
    BN.format(n=8)
    + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
    + BN.format(n=6)
    + "[route]\nlayers=-1,0\n"
    + BN.format(n=4)
)


def test_route_groups_stay_equal(make_files, tmp_path):
    network = load(Source(*make_files(ROUTE)))
    for seed in range(5):
        pruned = cut(network, 0.5, seed)
        files = written(pruned, tmp_path / f"out{seed}")
        again = load(Source(files.model, files.weights, {"normalization": "alexeyab"}))
        data = {"data": random_input(network.origin.structure.input, seed)[None]}
        first, second = (run_graph(net.model, data) for net in (pruned.masked, again))
        for name in first:
            np.testing.assert_allclose(second[name], first[name], rtol=1e-4, atol=1e-5)


def test_what_a_cfg_cannot_say_is_named(make_files, tmp_path):
    """Uneven parts of a grouped route: a compact network no cfg describes."""
    network = load(Source(*make_files(ROUTE)))
    pruned = cut(network, 0.5)
    weight = pruned.compact.model.graph.initializers["2:convolutional/weight"]
    torn = weight.const_value.numpy()[:, :1]
    weight.const_value = type(weight.const_value)(np.ascontiguousarray(torn))
    weight.shape = type(weight.shape)(torn.shape)
    with pytest.raises(ModelError) as caught:
        write(pruned.masked, pruned.compact, Destination(tmp_path, "compact"))
    assert str(caught.value) == (
        f"{network.origin.cfg.path}:18: the pruned weight of layer 2:convolutional is 3x1x3x3, a "
        "Darknet cfg can only say 3x2x3x3; exclude the layers that feed it"
    )
    assert not list(tmp_path.glob("model-transform*"))


def test_a_full_disk_leaves_nothing_behind(network, tmp_path):
    with pytest.raises(ModelError) as caught:
        write(network, identity(network), Destination(tmp_path / "gone", "compact"))
    path = tmp_path / "gone/model-transform.cfg"
    assert str(caught.value) == f"{path}: cannot write the cfg file (No such file or directory)"
    if Path("/dev/full").exists():
        from prunus_darknet.weights import write_weights

        link = tmp_path / "full"
        link.symlink_to("/dev/full")
        with pytest.raises(ModelError, match="cannot write the weights file \\(No space left"):
            write_weights(link, b"", [np.zeros(100000, np.float32)])
        assert not link.is_symlink()


def test_a_network_of_another_format(network, tmp_path):
    foreign = attrs.evolve(network, origin=None)
    with pytest.raises(ModelError, match="was not read from Darknet files"):
        write(foreign, identity(foreign), Destination(tmp_path, "compact"))


def test_diff_is_readable(network, tmp_path):
    """What a user sees in a review."""
    files = written(cut(network, 0.25), tmp_path / "out")
    diff = list(
        difflib.unified_diff(
            network.origin.cfg.text.splitlines(), files.model.read_text().splitlines(), n=0
        )
    )
    assert sum(line.startswith("+") for line in diff) == 5


def test_numbers_with_blanks_inside_are_replaced_whole(make_files, tmp_path):
    """Darknet drops blanks everywhere: ``1 6`` is 16."""
    spaced = NET.replace("filters = 16", "filters = 1 6  # 1 6 of them").replace("= 10 ", "=1\t0")
    network = load(Source(*make_files(spaced)))
    files = written(cut(network, 0.5), tmp_path / "out")
    changed = changed_lines(network.origin.cfg.text, files.model.read_bytes().decode("latin-1"))
    assert changed == [
        ("filters = 8", "filters = 4"),
        ("filters = 1 6  # 1 6 of them", "filters = 8  # 1 6 of them"),
        ("groups=8", "groups=4"),
        ("output =1\t0  ", "output =5  "),
    ]


@pytest.mark.darknet
def test_numbers_with_blanks_inside_in_darknet(make_files, tmp_path, darknet):
    spaced = NET.replace("filters = 16", "filters = 1 6")
    network = load(Source(*make_files(spaced)))
    pruned = cut(network, 0.5)
    data = random_input(network.origin.structure.input, 0)
    files = written(pruned, tmp_path / "out")
    assert compare_compact_with_darknet(pruned, files, data).error < 1e-5


TWO_HEADS = (
    BN.format(n=8)
    + "[convolutional]\nfilters=10\nsize=1\nactivation=linear\n"
    + "[route]\nlayers=-2\n"
    + BN.format(n=8)
    + "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n"
)


def test_every_output_that_no_layer_reads_stays_whole(make_files):
    network = load(Source(*make_files(TWO_HEADS)))
    assert [value.name for value in network.model.graph.outputs] == [
        "1:convolutional", "4:convolutional",
    ]  # fmt: skip
    pruned = cut(network, 0.5)
    found = pruned.compact.model.graph.initializers
    shapes = {name: value.shape[0] for name, value in found.items()}
    assert shapes["1:convolutional/weight"] == 10
    assert shapes["4:convolutional/weight"] == 6
    assert shapes["0:convolutional/weight"] == shapes["3:convolutional/weight"] == 4
