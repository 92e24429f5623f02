"""The format keeps every promise of the core's conformance kit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from prunus.plugin import Source
from prunus.testing import Check, Unknown, format_checks
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.testing.random_weights import write_random_weights

_FOLDER = tempfile.TemporaryDirectory(prefix="prunus-darknet-")

TEXT = """[net]
# a comment that stays
width=16
height=16
channels=3
batch=1

[convolutional]
batch_normalize=1
filters=8
size=3
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=8
size=3
pad=1
activation=leaky

[shortcut]
from=-2
activation=linear

[maxpool]
size=2
stride=2

[convolutional]
filters=12
size=1
activation=relu

[route]
layers=-1,-2

[connected]
output=10
activation=relu

[connected]
output=4
activation=linear

[softmax]
"""
DETECTOR = """[net]
width=32
height=32
channels=3
batch=1

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=8
groups=8
size=3
pad=1
activation=leaky

[convolutional]
filters=16
size=3
pad=1
activation=leaky

[upsample]
stride=2

[convolutional]
filters=14
size=1
activation=linear

[yolo]
mask=0,1
anchors=4,4, 8,8
classes=2
num=2
"""
OPAQUE = TEXT.replace("[softmax]", "[mystery]\nsize=2\n\n[softmax]")


def sample(name: str, text: str) -> Source:
    folder = Path(_FOLDER.name) / name
    folder.mkdir()
    model, weights = folder / f"{name}.cfg", folder / f"{name}.weights"
    model.write_text(text)
    write_random_weights(parse_cfg(text, model), weights, 0)
    return Source(model, weights)


CHECKS = format_checks(
    "darknet",
    [sample("plain", TEXT), sample("detector", DETECTOR)],
    Unknown(sample("unknown", OPAQUE), ("layer 8 of type 'mystery'",)),
)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    check()
