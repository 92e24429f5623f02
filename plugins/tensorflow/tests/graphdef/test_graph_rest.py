"""Operators without a finite answer for a removed channel, judged by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.network import Destination

pytestmark = pytest.mark.tensorflow

KEPT: dict[str, Callable[[Any, Any], Any]] = {
    "logarithm": lambda tf, h: tf.math.log(tf.abs(h)),
    "inverse": lambda tf, h: tf.math.reciprocal(h),
    "inverse_root": lambda tf, h: tf.math.rsqrt(tf.abs(h)),
    "power": lambda tf, h: tf.pow(tf.abs(h), -0.5),
}
REMOVED: dict[str, Callable[[Any, Any], Any]] = {
    "shifted_inverse": lambda tf, h: tf.math.reciprocal(tf.abs(h) + 1.0),
    "divisor": lambda tf, h: h / tf.constant(np.linspace(1, 2, 12), tf.float32),
}


@pytest.mark.parametrize("name", [*KEPT, *REMOVED])
def test_masked_graphs_are_finite_and_equal(name: str, tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    def build(tf: Any, tf1: Any) -> Any:
        x = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
        h = tf.nn.conv2d(x, tf1.get_variable("c1/w", (3, 3, 3, 12)), 1, "SAME")
        h = (KEPT | REMOVED)[name](tf, h + tf1.get_variable("c1/b", (12,)))
        h = tf.nn.relu(tf.nn.conv2d(h, tf1.get_variable("c2/w", (3, 3, 12, 8)), 1, "SAME"))
        h = tf.nn.conv2d(h, tf1.get_variable("c3/w", (3, 3, 8, 4)), 1, "SAME")
        return tf.identity(h, name="out")

    network = graphdef.load(tools.make(build))
    found = [group.name for group in find_groups(network).groups]
    assert len(found) == (1 if name in KEPT else 2)
    masked, smaller, written = tools.halve(network, tmp_path / "half")
    (tmp_path / "masked").mkdir()
    files = graphdef.write(masked, smaller, Destination(tmp_path / "masked", "masked"))
    feed = {"x": np.random.default_rng(0).standard_normal((3, 8, 8, 3)).astype(np.float32)}
    whole = tools.run(files.model, files.weights, ("out",), feed)[0]
    small = tools.run(written.model, written.weights, ("out",), feed)[0]
    assert np.isfinite(whole).all()
    assert np.abs(whole - small).max() <= 1e-5 * np.abs(whole).max()
