"""Graphs with a checkpoint and frozen graphs keep the promises of the core's conformance kit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from prunus.plugin import Source
from prunus.testing import Unknown, format_checks

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow

from prunus_tensorflow.testing.graph_job import build, files  # noqa: E402

_DIRECTORY = tempfile.TemporaryDirectory(prefix="prunus-graph-")
_ROOT = Path(_DIRECTORY.name)
CLASSES = 4


def _unknown() -> None:
    """A convolution behind an operator that the plugin does not lower."""
    tf1 = tf.compat.v1
    x = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    h = tf.nn.conv2d(x, tf1.get_variable("c1/w", (3, 3, 3, 8)), 1, "SAME")
    h = tf.nn.fractional_max_pool(h, [1.0, 1.5, 1.5, 1.0], seed=1, name="strange")[0]
    h = tf.nn.relu(tf.nn.conv2d(h, tf1.get_variable("c2/w", (3, 3, 8, 6)), 1, "SAME"))
    tf.reduce_mean(h, [1, 2], name="classes")


def _sample(name: str, **how: Any) -> Source:
    folder = _ROOT / name
    folder.mkdir()
    return files(folder, **how)


CHECKS = format_checks(
    "tensorflow",
    [
        _sample("checkpoint", made=lambda: build(keep="none")),
        _sample("frozen", made=lambda: build(keep="none"), frozen=True),
    ],
    Unknown(_sample("unknown", made=_unknown), ("strange",)),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check: Any) -> None:
    check()
