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
        "a.cfg:11: dontload=1 keeps the layer out of the weights file",
    ),
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
