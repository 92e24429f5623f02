from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.errors import UsageError
from prunus.network import Source
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.dialect import dialect_of
from prunus_darknet.lower.normalization import EPSILON, graph_variance, stored_variance
from prunus_darknet.read import load
from prunus_darknet.testing.compare import run_graph

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"


@pytest.mark.parametrize(
    ("layers", "revision", "normalization", "reason"),
    [
        ("[maxpool]\n", (0, 2, 0), "pjreddie", "nothing in the files is AlexeyAB's alone"),
        ("[maxpool]\n", (0, 2, 5), "alexeyab", "the weights file has version 0.2.5"),
        ("[convolutional]\nactivation=mish\n", None, "alexeyab", "activation=mish in line 6"),
        ("[yolo]\nscale_x_y=1.05\n", None, "alexeyab", "scale_x_y= in line 6"),
        ("[sam]\nfrom=-2\n", None, "alexeyab", "[sam] in line 5"),
        ("[shortcut]\nfrom=-2,-3\n", None, "alexeyab", "[shortcut] with several layers in line 5"),
        ("[route]\nlayers=-1\ngroups=2\n", None, "alexeyab", "groups= in line 7"),
    ],
)
def test_detection(layers, revision, normalization, reason):
    found = dialect_of(parse_cfg(NET + layers, Path("a.cfg")), revision, None)
    assert (found.normalization, found.reason) == (normalization, reason)


def test_unknown_choice():
    with pytest.raises(UsageError) as caught:
        dialect_of(parse_cfg(NET, Path("a.cfg")), None, "caffe")
    expected = "option normalization=caffe: choose one of pjreddie, alexeyab, opencv"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("normalization", "divisor"),
    [
        ("pjreddie", lambda v: np.sqrt(v) + 1e-6),
        ("alexeyab", lambda v: np.sqrt(v + 1e-5)),
        ("opencv", lambda v: np.sqrt(v + 1e-6)),
    ],
)
def test_the_graph_divides_as_the_line_does(normalization, divisor, make_files):
    layers = "[convolutional]\nbatch_normalize=1\nfilters=4\nactivation=linear\n"
    model, weights = make_files(layers, h=1, w=1)
    values = np.fromfile(weights, np.float32)
    variance = np.array([0, 1e-9, 1e-4, 2], np.float32)
    values[17:21] = variance
    values.tofile(weights)
    shift, scale, mean = values[5:17].reshape(3, 4).astype(float)
    filters = values[21:33].reshape(4, 3).astype(float)
    network = load(Source(model, weights, {"normalization": normalization}))
    assert network.notes[0].startswith("batch normalisation divides by sqrt(variance")
    data = np.ones((1, 3, 1, 1), np.float32)
    found = run_graph(network.model, {"data": data})["0:convolutional"].reshape(4)
    wanted = (filters.sum(1) - mean) / divisor(variance.astype(float)) * scale + shift
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("normalization", EPSILON)
def test_variance_comes_back(normalization):
    stored = np.r_[0, np.logspace(-14, 4, 500)].astype(np.float32)
    lowered = graph_variance(stored, normalization)
    assert np.array_equal(stored_variance(lowered, normalization, stored), stored)
    again = stored_variance(lowered, normalization, None)
    np.testing.assert_allclose(
        np.sqrt(again, dtype=float) + 1e-6, np.sqrt(stored, dtype=float) + 1e-6, rtol=1e-6
    )
