"""The format keeps every promise of the core's conformance kit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunus.plugin import Source
from prunus.testing import Check, Examples, Unknown, format_checks
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
; a key of somebody's own
favourite=12 plums
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


def data() -> Path:
    """A ``.data`` file with four images and their boxes of two classes."""
    folder = Path(_FOLDER.name) / "set"
    folder.mkdir()
    draw = np.random.default_rng(0)
    names = [f"scene{number}" for number in range(4)]
    for number, name in enumerate(names):
        pixels = draw.integers(0, 256, (24 + 8 * number, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"{number % 2} 0.5 0.5 0.25 0.5\n")
    (folder / "list.txt").write_text("".join(f"{folder / name}.png\n" for name in names))
    (folder / "labels.txt").write_text("cat\ndog\n")
    path = folder / "scenes.data"
    path.write_text(
        "classes=2\n" + "".join(f"{key}={folder}/list.txt\n" for key in ("train", "valid"))
        + f"names={folder}/labels.txt\n"
    )  # fmt: skip
    return path


def config(source: Source) -> Path:
    """A configuration of vai_p_darknet."""
    path = source.model.with_name("pruning.cfg")
    path.write_text(f"[pruning]\nworkspace=work\nmodelcfg={source.model}\nthreshold=0.01\n")
    return path


PLAIN, BOXES = sample("plain", TEXT), sample("detector", DETECTOR)
CHECKS = format_checks(
    "darknet",
    [PLAIN, BOXES],
    Unknown(sample("unknown", OPAQUE), ("layer 8 of type 'mystery'",)),
    examples=Examples(settings=(config(PLAIN),), data=((BOXES, str(data())),)),
)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    check()
