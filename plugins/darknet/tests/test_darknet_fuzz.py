"""Damaged files: an answer or a one-line error, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.errors import PrunusError
from prunus.network import Source
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.detect import is_darknet
from prunus_darknet.dialect import dialect_of
from prunus_darknet.read import load
from prunus_darknet.records.structure import read_structure

NET = """[net]
width=16
height=16
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
groups=2
filters=8
size=3
pad=1
activation=mish
[shortcut]
from=-2
activation=linear
[reorg]
stride=2
[route]
layers=-1,-1
groups=2
group_id=1
[upsample]
stride=2
[connected]
output=18
activation=ramp
[convolutional]
filters=18
size=1
activation=linear
[yolo]
mask=0,1,2
classes=1
[route]
layers=-4
[local]
filters=4
size=3
pad=1
[avgpool]
[softmax]
groups=2
[cost]
"""
WORDS = [
    "0", "-1", "1", "2", "3", "7", "64", "100000", "2147483647", "-99999999999", "x", "", "1e9",
    "nan", ",", "1,2,3", "#", "=", "[", "[net]", "[yolo]", "[fancy]", "groups=3", "stride=0",
    "size=99", "pad=-4", "layers=-1,-2", "filters=1", "reverse=1", "tree=a", "binary=1",
    "share_index=-1", "from=0", "[deconvolutional]", "[crop]", "[batchnorm]", "[sam]", "[region]",
    "[scale_channels]", "[l2norm]", "[reorg3d]", "[implicit]", "[lstm]", "\x00", "\xff",
]  # fmt: skip


def damaged(rng: np.random.Generator) -> str:
    lines = NET.split("\n")
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(lines)))
        word = WORDS[int(rng.integers(len(WORDS)))]
        match int(rng.integers(5)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, word)
            case 2:
                lines[at] = lines[at].split("=")[0] + "=" + word
            case 3:
                lines[at] = lines[at][: len(lines[at]) // 2]
            case _:
                other = int(rng.integers(len(lines)))
                lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def one_line(error: PrunusError) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 600


@pytest.mark.parametrize("seed", range(8))
def test_damaged_cfgs(seed, tmp_path):
    rng = np.random.default_rng(seed)
    fine = 0
    for number in range(60):
        path = tmp_path / f"{number}.cfg"
        path.write_bytes(damaged(rng).encode("latin-1"))
        is_darknet(path)
        try:
            cfg = parse_cfg(path.read_bytes().decode("latin-1"), path)
            structure = read_structure(cfg, dialect_of(cfg, None, None))
            size = sum(blob.size for layer in structure.layers for blob in layer.blobs)
            if size < 1_000_000:
                load(Source(path, None, {"structure_only": "1"}))
            fine += 1
        except PrunusError as error:
            one_line(error)
    assert 0 < fine < 60


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_as_cfg(seed, tmp_path):
    rng = np.random.default_rng(seed)
    for number in range(50):
        path = tmp_path / f"{number}.cfg"
        start = b"[net]\nwidth=4\nheight=4\nchannels=1\n" if number % 2 else b""
        path.write_bytes(start + rng.bytes(int(rng.integers(200))))
        is_darknet(path)
        with pytest.raises(PrunusError) as caught:
            load(Source(path, None, {"structure_only": "1"}))
        one_line(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_weights(seed, make_files):
    conv = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
    model, weights = make_files(conv * 3)
    good = weights.read_bytes()
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(60):
        data = bytearray(good)
        for _ in range(int(rng.integers(1, 20))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        length = int(rng.integers(len(data) + 40)) if rng.random() < 0.5 else len(data)
        weights.write_bytes((bytes(data) + bytes(40))[:length])
        try:
            load(Source(Path(model), Path(weights)))
        except PrunusError as error:
            refused += 1
            one_line(error)
    assert refused > 10
