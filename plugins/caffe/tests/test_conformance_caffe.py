"""The format keeps every promise of the core's conformance kit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from prunus.network import Compact, Destination, Source
from prunus.testing import Check, Examples, Unknown, format_checks
from prunus_caffe.read import load
from prunus_caffe.testing.database import datum, write_lmdb
from prunus_caffe.write import write

_FOLDER = tempfile.TemporaryDirectory(prefix="prunus-caffe-")

TEXT = """name: "sample"  # kept
input: "data" input_dim: 1 input_dim: 3 input_dim: 10 input_dim: 10
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
  convolution_param { num_output: 8 kernel_size: 3 bias_term: false } }
layer { name: "s1" type: "Scale" bottom: "c1" top: "c1" scale_param { bias_term: true } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "add" type: "Eltwise" bottom: "c1" bottom: "c2" top: "add" }
layer { name: "p" type: "Pooling" bottom: "add" top: "p" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "f1" type: "InnerProduct" bottom: "p" top: "f1" inner_product_param { num_output: 10 } }
layer { name: "r2" type: "ReLU" bottom: "f1" top: "f1" }
layer { name: "f2" type: "InnerProduct" bottom: "f1" top: "f2" inner_product_param { num_output: 4 } }
"""
OPAQUE = TEXT.replace('ReLU" bottom: "f1"', 'Mystery" bottom: "f1"')


def sample(name: str, text: str) -> Source:
    folder = Path(_FOLDER.name) / name
    folder.mkdir()
    model = folder / f"{name}.prototxt"
    model.write_text(text)
    network = load(Source(model, None, {"weights": "random"}))
    written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
    return Source(model, written.weights)


def data(source: Source) -> Path:
    """A prototxt with a data layer on eight images in an LMDB."""
    folder = source.model.parent
    draw = np.random.default_rng(0)
    write_lmdb(
        folder / "lmdb",
        [datum(draw.integers(0, 256, (3, 10, 10), np.uint8), i % 4) for i in range(8)],
    )
    path = folder / "data.prototxt"
    path.write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label" '
        f'data_param {{ source: "{folder / "lmdb"}" batch_size: 4 }} }}'
    )
    return path


def config(source: Source) -> Path:
    """A configuration of decent_p."""
    path = source.model.parent / "config.prototxt"
    path.write_text(
        f'workspace: "work"\nmodel: "{source.model}"\nweights: "{source.weights}"\nrate: 0.2\n'
        'pruner {\nmethod: REGULAR\nexclude { layer_top: "c1" }\n}\n'
    )
    return path


PLAIN = sample("plain", TEXT)
DATA = data(PLAIN)
CHECKS = format_checks(
    "caffe",
    [PLAIN],
    Unknown(sample("unknown", OPAQUE), ("r2",)),
    examples=Examples(
        settings=(config(PLAIN),),
        data=((PLAIN, str(DATA)), (PLAIN, str(DATA.with_name("lmdb")))),
    ),
)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    check()
