"""Every layer Darknet can build, against the real library."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.network import Source
from prunus.selection import feasible_counts
from prunus.testing.cut import cut
from prunus_darknet.cfg import read_cfg
from prunus_darknet.dialect import _ALEXEYAB_ACTIVATIONS
from prunus_darknet.lower.activation import KNOWN_ACTIVATIONS, OPAQUE_ACTIVATIONS
from prunus_darknet.read import load
from prunus_darknet.testing.compare import (
    compare_layers,
    compare_with_darknet,
    random_input,
    real_layers,
)
from prunus_darknet.testing.pruning import written
from prunus_darknet.testing.random_weights import structure_of

pytestmark = pytest.mark.darknet

CONV = "[convolutional]\nfilters={n}\nsize=3\nstride={s}\npad=1\nactivation=leaky\n"
BN = (
    "[convolutional]\nbatch_normalize=1\nfilters={n}\nsize=3\nstride={s}\npad=1\nactivation=leaky\n"
)

LAYERS = {
    "conv-padding": "[convolutional]\nfilters=4\nsize=5\nstride=2\npadding=1\nactivation=linear\n",
    "conv-no-padding": "[convolutional]\nfilters=4\nsize=3\nstride=2\nactivation=linear\n",
    "conv-even-size": "[convolutional]\nfilters=4\nsize=2\npad=1\nactivation=relu\n",
    "conv-groups": BN.format(n=8, s=1)
    + "[convolutional]\ngroups=4\nfilters=16\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n",
    "conv-depthwise": BN.format(n=8, s=2)
    + "[convolutional]\ngroups=8\nfilters=8\nsize=3\npad=1\nactivation=leaky\n",
    "conv-defaults": "[conv]\n",
    "conv-flipped": "[convolutional]\nflipped=1\nfilters=5\nsize=3\npad=1\nactivation=linear\n",
    "conv-after-vector": "[connected]\noutput=6\nactivation=leaky\n[convolutional]\nfilters=3\n",
    "maxpool-2-2": "[maxpool]\nsize=2\nstride=2\n",
    "maxpool-2-1": "[maxpool]\nsize=2\nstride=1\n",
    "maxpool-3-2": "[maxpool]\nsize=3\nstride=2\n",
    "maxpool-5-1": "[maxpool]\nsize=5\nstride=1\n",
    "maxpool-padding-0": "[maxpool]\nsize=3\nstride=2\npadding=0\n",
    "maxpool-default-size": "[maxpool]\nstride=3\n",
    "avgpool": CONV.format(n=5, s=1) + "[avgpool]\n",
    "connected": "[connected]\noutput=7\nactivation=leaky\n"
    "[connected]\noutput=3\nactivation=linear\n",
    "connected-bn": "[connected]\nbatch_normalize=1\noutput=7\nactivation=relu\n",
    "dropout": CONV.format(n=4, s=1) + "[dropout]\nprobability=.5\n" + CONV.format(n=4, s=1),
    "activation": CONV.format(n=4, s=1) + "[activation]\nactivation=tanh\n",
    "logistic": CONV.format(n=4, s=1) + "[logistic]\n",
    "l2norm": CONV.format(n=4, s=1) + "[l2norm]\n",
    "crop": "[crop]\ncrop_height=9\ncrop_width=8\nflip=1\n" + CONV.format(n=4, s=1),
    "crop-noadjust": "[crop]\ncrop_height=9\ncrop_width=7\nnoadjust=1\n" + CONV.format(n=4, s=1),
    "softmax": "[connected]\noutput=12\nactivation=linear\n[softmax]\ntemperature=2\n",
    "softmax-groups": "[connected]\noutput=12\nactivation=linear\n[softmax]\ngroups=3\n",
    "softmax-cost": "[connected]\noutput=12\nactivation=linear\n[softmax]\n[cost]\ntype=sse\n",
    "route-absolute": CONV.format(n=4, s=1) + CONV.format(n=5, s=1) + "[route]\nlayers=0,-1\n",
    "route-one": CONV.format(n=4, s=1) * 2 + "[route]\nlayers = -2\n" + CONV.format(n=5, s=1),
    "shortcut": CONV.format(n=4, s=1) * 2 + "[shortcut]\nfrom=-2\nactivation=leaky\n",
    "shortcut-fewer": CONV.format(n=4, s=1) + CONV.format(n=6, s=1) + "[shortcut]\nfrom=0\n",
    "shortcut-more": CONV.format(n=6, s=1) + CONV.format(n=4, s=1) + "[shortcut]\nfrom=-2\n",
    "shortcut-strided": CONV.format(n=4, s=1)
    + CONV.format(n=6, s=2)
    + "[shortcut]\nfrom=0\nactivation=relu\n",
    "shortcut-sampled": CONV.format(n=6, s=2)
    + "[upsample]\nstride=2\n"
    + CONV.format(n=4, s=1)
    + "[shortcut]\nfrom=0\nactivation=linear\n",
    "shortcut-scaled": CONV.format(n=4, s=1)
    + CONV.format(n=6, s=1)
    + "[shortcut]\nfrom=0\nalpha=.5\nbeta=2\nactivation=linear\n",
    "upsample": CONV.format(n=4, s=2) + "[upsample]\nstride=2\n",
    "upsample-scaled": CONV.format(n=4, s=2) + "[upsample]\nstride=3\nscale=.5\n",
    "upsample-down": CONV.format(n=4, s=1) + "[upsample]\nstride=-2\n",
    "reorg": CONV.format(n=8, s=1) + "[reorg]\nstride=2\n" + CONV.format(n=4, s=1),
    "reorg-reverse": CONV.format(n=8, s=1) + "[reorg]\nstride=2\nreverse=1\n",
    "reorg-flatten": CONV.format(n=8, s=1) + "[reorg]\nstride=1\nflatten=1\n",
    "reorg-extra": CONV.format(n=1, s=1) + "[reorg]\nextra=1\nstride=1\n[softmax]\n",
    "local": CONV.format(n=9, s=1)
    + CONV.format(n=4, s=4)
    + "[local]\nfilters=3\nsize=3\npad=1\nactivation=leaky\n",
    "local-no-padding": CONV.format(n=9, s=1)
    + CONV.format(n=4, s=2)
    + "[local]\nfilters=3\nsize=2\nstride=2\n",
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_equals_darknet(name, make_files, darknet):
    model, weights = make_files(LAYERS[name])
    network = load(Source(model, weights))
    difference = compare_with_darknet(network, model, weights)
    assert difference.compared >= 1
    assert difference.error <= 1e-5, difference
    assert len(network.model.graph.inputs) == 1, "nothing here is opaque"


@pytest.mark.parametrize(
    "activation", sorted(KNOWN_ACTIVATIONS - OPAQUE_ACTIVATIONS - _ALEXEYAB_ACTIVATIONS)
)
def test_activation_equals_darknet(activation, make_files, darknet):
    layers = f"[convolutional]\nfilters=8\nsize=3\npad=1\nactivation={activation}\n"
    model, weights = make_files(layers * 3, seed=3)
    scaled = np.fromfile(weights, np.float32)
    scaled[5:] *= 3  # reach all pieces of the piecewise ones
    scaled.tofile(weights)
    difference = compare_with_darknet(load(Source(model, weights)), model, weights)
    assert difference.error <= 1e-5, difference


def test_unknown_activation_is_relu_as_in_darknet(make_files, darknet):
    model, weights = make_files("[convolutional]\nfilters=8\nsize=3\nactivation=zigzag\n")
    network = load(Source(model, weights))
    assert network.notes[-1] == "net.cfg:7: unknown activation=zigzag: relu, as in Darknet itself"
    assert compare_with_darknet(network, model, weights).error <= 1e-5


def test_odd_reorg_of_yolov2(make_files, darknet):
    """26 rows do not divide into 4 runs: channels really mix there."""
    layers = CONV.format(n=8, s=1) + "[reorg]\nstride=2\n" + CONV.format(n=4, s=1)
    model, weights = make_files(layers, h=26, w=26)
    assert compare_with_darknet(load(Source(model, weights)), model, weights).error <= 1e-5


@pytest.mark.parametrize(
    ("channels", "side", "stride"), [(8, 16, 2), (16, 16, 2), (8, 26, 2), (32, 16, 4), (32, 12, 4)]
)
def test_reorg_takes_whole_multiples_of_its_square(
    channels, side, stride, make_files, darknet, tmp_path
):
    """Every number of channels the plan may choose can be said in a cfg, and is the same there."""
    reorg = f"[reorg]\nstride={stride}\n"
    layers = BN.format(n=channels, s=1) + reorg + BN.format(n=6, s=1) + CONV.format(n=4, s=1)
    network = load(Source(*make_files(layers, h=side, w=side)))
    group, behind = find_groups(network).groups
    size = channels // group.size  # of a unit
    counts = feasible_counts(group)
    assert (counts * size).tolist() == list(range(channels, 0, -stride * stride))
    assert behind.size == 6
    for seed, count in enumerate(counts[1:].tolist()):
        pruned = cut(network, 1 - count / group.size, seed)
        files = written(pruned, tmp_path / str(count))
        assert f"filters={count * size}\n" in files.model.read_text()
        data = random_input(network.origin.structure.input, seed)
        real = real_layers(network.origin.structure, files.model, files.weights, data)
        if size > 1:  # maps of a reorg hold several channels each: seen behind it
            del real[1]
        assert compare_layers(pruned.masked, real, data, pruned.compact.kept).error <= 1e-5


def test_a_reorg_of_no_more_than_its_square_protects_its_channels(make_files, darknet):
    layers = CONV.format(n=4, s=1) + "[reorg]\nstride=2\n" + CONV.format(n=4, s=1)
    found = find_groups(load(Source(*make_files(layers))))
    assert [(p.layer, p.channels, p.reason) for p in found.protected] == [
        ("0:convolutional", 4, "only multiples of 4 of its channels could go"),
        ("2:convolutional", 4, "graph output"),
    ]


def test_transposed_connected_weights_of_old_files(make_files, darknet):
    """Version numbers above 1000: (in, out) order and a 32-bit counter."""
    header = np.array([1001, 2, 0, 77], "<i4").tobytes()
    layers = "[connected]\nbatch_normalize=1\noutput=7\nactivation=leaky\n[connected]\noutput=4\n"
    model, weights = make_files(layers, header=header)
    assert compare_with_darknet(load(Source(model, weights)), model, weights).error <= 1e-5


def test_header_before_version_0_2(make_files, darknet):
    header = np.array([0, 1, 0, 77], "<i4").tobytes()
    model, weights = make_files(CONV.format(n=4, s=1), header=header)
    assert compare_with_darknet(load(Source(model, weights)), model, weights).error <= 1e-5


def test_flat_network_input(make_files, darknet):
    model, weights = make_files("[connected]\noutput=5\n", c=0, h=0, w=0, net="inputs=20\n")
    assert compare_with_darknet(load(Source(model, weights)), model, weights).error <= 1e-5


@pytest.mark.parametrize("variance", [0.0, 1e-12, 1e-6, 1e-3])
def test_small_variances_follow_the_pjreddie_formula(variance, make_files, darknet):
    """Here sqrt(var + 1e-5) would be wrong by 0.5 % to a factor of thousands."""
    model, weights = make_files(BN.format(n=4, s=1) + "[avgpool]\n")
    values = np.fromfile(weights, np.float32)
    values[5 + 12 : 5 + 16] = variance
    values.tofile(weights)
    assert compare_with_darknet(load(Source(model, weights)), model, weights).error <= 1e-4


@pytest.mark.parametrize(
    "settings",
    ["size=4\nstride=2\npadding=1\nactivation=leaky\n", "batch_normalize=1\nsize=3\nstride=2\n"],
)
def test_deconvolutional(settings, tmp_path, darknet):
    """Darknet's loader ends with a division by zero here, so it draws the weights itself."""
    model, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    net = "[net]\nwidth=12\nheight=12\nchannels=3\n"
    model.write_text(f"{net}{CONV.format(n=4, s=2)}[deconvolutional]\nfilters=3\n{settings}")
    structure = structure_of(read_cfg(model))
    data = random_input(structure.input, 0)
    real = real_layers(structure, model, weights, data, fresh=True)
    difference = compare_layers(load(Source(model, weights)), real, data)
    assert difference.compared == 2
    assert difference.error <= 1e-5, difference


@pytest.mark.parametrize(("variance", "finite"), [(-7e-44, True), (-1e-30, False)])
def test_variances_just_below_zero(variance, finite, make_files, darknet):
    """The real library takes numbers below float32's normal ones as 0, and no root of others."""
    model, weights = make_files(BN.format(n=4, s=1))
    values = np.fromfile(weights, np.float32)
    values[5 + 12 + 2] = variance
    values.tofile(weights)
    data = random_input(structure_of(read_cfg(model)).input, 0)
    real = real_layers(structure_of(read_cfg(model)), model, weights, data)
    assert np.isfinite(real[0]).all() == finite
    if finite:
        assert compare_with_darknet(load(Source(model, weights)), model, weights).error < 1e-5
