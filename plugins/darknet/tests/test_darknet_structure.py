from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.dialect import ALEXEYAB, PJREDDIE, Dialect
from prunus_darknet.records.structure import read_structure

PATH = Path("a.cfg")
CONV = "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=leaky\n"


def structure(layers: str, line: str = PJREDDIE, net: str = "width=8\nheight=8\nchannels=3\n"):
    return read_structure(parse_cfg(f"[net]\n{net}{layers}", PATH), Dialect(line, "test"))


def test_records_tell_shapes_sources_and_weights():
    found = structure(CONV + "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,1\n").layers
    assert [layer.name for layer in found] == ["0:convolutional", "1:maxpool", "2:route"]
    assert str(found[0].output) == "4x8x8"
    assert found[2].sources == (1, 1)
    assert str(found[2].output) == "8x4x4"
    assert [(blob.role, blob.shape) for blob in found[0].blobs] == [
        ("bias", (4,)),
        ("weight", (4, 3, 3, 3)),
    ]


MESSAGES = {
    "no-size": (
        "",
        "width=0\n",
        "a.cfg:1: [net] needs width, height and channels above 0, or inputs",
    ),
    "no-layers": ("", None, "a.cfg:1: the cfg has no layers"),
    "recurrent": (
        "[gru]\noutput=3\n",
        None,
        "a.cfg:5: [gru] is recurrent; prunus reads feed-forward Darknet networks only",
    ),
    "filters": (
        "[convolutional]\nfilters=0\n",
        None,
        "a.cfg:6: filters=0 in [convolutional]: must be above 0",
    ),
    "groups": (
        "[convolutional]\nfilters=4\ngroups=2\n",
        None,
        "a.cfg:7: groups=2 must divide the 3 input channels and filters=4",
    ),
    "too-big": (
        "[convolutional]\nfilters=4\nsize=9\n",
        None,
        "a.cfg:5: [convolutional] of size 9 does not fit its 3x8x8 input",
    ),
    "route": (
        CONV + "[route]\nlayers=-1, 5\n",
        None,
        "a.cfg:12: layers=5 in [route]: layer 1 can read layers 0 to 0 only",
    ),
    "route-empty": (CONV + "[route]\n", None, "a.cfg:11: [route] needs layers="),
    "route-groups": (
        CONV + "[route]\nlayers=0\ngroups=3\n",
        None,
        "a.cfg:13: groups=3 does not divide the 4x8x8 output of layer 0:convolutional",
    ),
    "yolo": (
        CONV + "[yolo]\nmask=0,1\nclasses=3\n",
        None,
        "a.cfg:11: [yolo] needs 16 channels, the layer before it gives 4; "
        "mend classes, num or mask here, or filters there",
    ),
    "region": (
        CONV + "[region]\nnum=5\nclasses=3\n",
        None,
        "a.cfg:11: [region] needs 40 channels, the layer before it gives 4; "
        "mend classes, num or mask here, or filters there",
    ),
    "image": (
        "[softmax]\n" + CONV,
        None,
        "a.cfg:6: the layer before [convolutional] must give an image",
    ),
    "dontload": (
        CONV + "dontload=1\n",
        None,
        "a.cfg:11: dontload=1 in [convolutional] keeps the layer out of the weights file; "
        "such files are not read: save the weights without it",
    ),
    "dontsave": (
        CONV + "dontsave=1\n",
        None,
        "a.cfg:11: dontsave=1 in [convolutional] keeps the layer out of the weights file; "
        "such files are not read: save the weights without it",
    ),
    "dontloadscales": (
        CONV + "dontloadscales=1\n",
        None,
        "a.cfg:11: dontloadscales=1 in [convolutional] keeps scales and statistics out of the "
        "weights file; such files are not read: save the weights without it",
    ),
    "numload": (
        CONV + "numload=2\n",
        None,
        "a.cfg:11: numload=2 in [convolutional] says that the weights file holds fewer filters; "
        "such files are not read: save the weights without it",
    ),
    "inputs": (
        CONV,
        "width=8\nheight=8\nchannels=3\ninputs=100\n",
        "a.cfg:5: inputs=100 in [net] is another number than width, height and channels give "
        "(192); leave one of them out",
    ),
    "huge": (
        CONV,
        "width=30000\nheight=30000\nchannels=3\n",
        "a.cfg:5: layer 0:convolutional would give 3600000000 values, Darknet counts to "
        "2147483647; check width, height and filters",
    ),
    "spatial": ("[softmax]\nspatial=1\n", None, None),
    "antialiasing": ("[maxpool]\nsize=2\nantialiasing=1\n", None, None),
    "maxpool_zero_nonmax": ("[maxpool]\nsize=2\nmaxpool_zero_nonmax=1\n", None, None),
    "shortcut": (
        CONV + "[maxpool]\nsize=3\nstride=3\n[shortcut]\nfrom=0\n",
        None,
        None,
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name):
    layers, net, message = MESSAGES[name]
    if message is None:
        assert structure(layers, ALEXEYAB).layers[-1].opaque
        return
    with pytest.raises(ModelError) as caught:
        structure(layers, net=net or "width=8\nheight=8\nchannels=3\n")
    assert str(caught.value) == message


OPAQUE = {
    "unknown": ("[fancy]\n", "opaque layer 1 of type 'fancy'"),
    "lrn": ("[normalization]\n", "opaque layer 1 of type 'normalization'"),
    "xnor": (
        "[convolutional]\nxnor=1\nfilters=4\n",
        "opaque layer 1 of type 'convolutional' with xnor=1",
    ),
    "stair": (
        "[convolutional]\nfilters=4\nactivation=stair\n",
        "opaque layer 1 of type 'convolutional' with activation=stair",
    ),
    "tree": ("[softmax]\ntree=a.tree\n", "softmax layer 1 with a class tree"),
    "weighted": (
        "[shortcut]\nfrom=0\nweights_type=per_channel\nweights_normalization=softmax\n",
        "opaque layer 1 of type 'shortcut' with weights_type=per_channel",
    ),
    "dilation": (
        "[convolutional]\nfilters=4\nsize=3\ndilation=2\n",
        "opaque layer 1 of type 'convolutional' with dilation but not pad=1",
    ),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_is_not_lowered_says_why(name):
    layers, reason = OPAQUE[name]
    assert structure(CONV + layers, ALEXEYAB).layers[1].opaque == reason


def test_maxpool_over_depth_gives_the_channels_it_says():
    pool = "[maxpool]\nmaxpool_depth=1\nout_channels=2\n"
    found = structure(CONV + pool + CONV, ALEXEYAB).layers
    assert found[1].opaque == "opaque layer 1 of type 'maxpool' with maxpool_depth=1"
    assert [str(layer.output) for layer in found] == ["4x8x8", "2x8x8", "4x8x8"]
    assert found[2].blobs[-1].shape == (4, 2, 3, 3)


def test_implicit_layers_give_their_weights():
    found = structure(CONV + "[implicit]\nfilters=6\natoms=2\n", ALEXEYAB).layers[1]
    assert (str(found.output), found.blobs[0].shape) == ("6x2x1", (12,))


def test_a_layer_larger_than_this_machine(monkeypatch):
    monkeypatch.setattr("prunus.memory.memory", lambda: 2000)
    with pytest.raises(ModelError) as caught:
        structure(CONV)
    assert str(caught.value) == (
        "a.cfg:5: layer 0:convolutional: declares 1.79 kB, more than half of this machine's "
        "2 kB of memory; the file is damaged, or too large to be read here"
    )
