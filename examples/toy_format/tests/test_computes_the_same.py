"""The graph computes what the toy framework computes, here worked out with numpy."""

import numpy as np
import pytest

pytest.importorskip("prunus_toy", reason="pip install -e examples/toy_format first")

from prunus_toy.read import load
from prunus_toy.weights import read_weights

from prunus.plugin import Session, Source, random_inputs

TEXT = """\
input data channels=2 height=6 width=5
conv  c1 filters=3 size=3 stride=2 pad=1
relu  r1
dense d1 outputs=4
"""
SHAPES = [
    ("c1", "weight", (3, 2, 3, 3)),
    ("c1", "bias", (3,)),
    ("d1", "weight", (27, 4)),
    ("d1", "bias", (4,)),
]


def by_hand(image, weights):
    """One image ``(2, 6, 5)`` through the four layers: padded windows, ReLU, a matrix product."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    found = np.zeros((3, 3, 3))
    for row, column in np.ndindex(3, 3):
        window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        found[:, row, column] = (weights["c1", "weight"] * window).sum((1, 2, 3))
    found = np.maximum(found + weights["c1", "bias"][:, None, None], 0)
    return found.reshape(-1) @ weights["d1", "weight"] + weights["d1", "bias"]


def test_the_graph_computes_what_the_framework_computes(tmp_path):
    source = Source(tmp_path / "net.toy", tmp_path / "net.weights")
    source.model.write_text(TEXT, encoding="utf-8")
    count = sum(int(np.prod(shape)) for _, _, shape in SHAPES)
    source.weights.write_bytes(np.random.default_rng(0).normal(size=count).astype("<f4").tobytes())
    weights = read_weights(source.weights, SHAPES)
    network = load(source)
    inputs = random_inputs(network.model, 2, 0)
    (given,), (computed,) = inputs.values(), Session(network.model).run(inputs).values()
    expected = np.stack([by_hand(image, weights) for image in given])
    np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=1e-5)
