"""Box-decoding layers as read from the cfg."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError
from prunus.network import Source
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.read import load

NET = "[net]\nwidth=64\nheight=32\nchannels=3\n[convolutional]\nfilters={filters}\n"
YOLO = NET.format(filters=14) + (
    "[yolo]\nmask=1,2\nanchors=1,2, 3,4, 5.5,6\nclasses=2\nnum=3\nignore_thresh=.7\niou_loss=ciou\n"
)
REGION = NET.format(filters=14) + "[region]\nanchors=1,2,3,4\nclasses=2\nnum=2\nsoftmax=1\n"


def network(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "net.cfg"
    path.write_text(text)
    return load(Source(path, None, {"structure_only": "1"}))


def test_yolo(tmp_path: Path) -> None:
    (head,) = heads_of(network(tmp_path, YOLO))
    assert (head.index, head.kind, head.output) == (1, "yolo", "0:convolutional")
    assert head.used == ((3, 4), (5.5, 6))
    assert (head.classes, head.network, head.iou_loss) == (2, (64, 32), "ciou")
    assert head.settings["ignore_thresh"] == 0.7
    assert head.settings["truth_thresh"] == 1


def test_region(tmp_path: Path) -> None:
    (head,) = heads_of(network(tmp_path, REGION))
    assert (head.kind, head.mask, head.used) == ("region", (0, 1), ((1, 2), (3, 4)))
    assert head.settings["softmax"] == 1
    assert head.settings["thresh"] == 0.5


def test_no_heads(tmp_path: Path) -> None:
    assert heads_of(network(tmp_path, NET.format(filters=4))) == ()


def test_mask_beyond_the_anchors(tmp_path: Path) -> None:
    given = network(tmp_path, YOLO.replace("mask=1,2", "mask=1,3"))
    with pytest.raises(ModelError) as caught:
        heads_of(given)
    assert str(caught.value) == (
        f"{tmp_path / 'net.cfg'}:8: mask names anchor 3, there are 3; "
        "mask counts the pairs of anchors from 0"
    )


def test_odd_anchors(tmp_path: Path) -> None:
    given = network(tmp_path, YOLO.replace("5.5,6", "5.5"))
    with pytest.raises(ModelError) as caught:
        heads_of(given)
    assert str(caught.value) == (
        f"{tmp_path / 'net.cfg'}:9: 5 numbers in anchors, they come in pairs"
    )
