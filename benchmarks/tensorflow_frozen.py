"""Frozen graphs of keras.applications: do they load, halve, and run in plain TensorFlow?

Random weights, small images; half of every group is removed at random. ``loads`` compares the
neutral graph with Keras, ``halved`` the written graph in TensorFlow with the masked network.

    python benchmarks/tensorflow_frozen.py [NAME …]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from results import write_section

import prunus
from prunus.plugin import Destination, Session, choose_units, compact_graph, find_groups, mask

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZES = {
    "VGG16": 48,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "InceptionV3": 96,
    "Xception": 96,
    "DenseNet121": 64,
    "MobileNetV2": 96,
    "MobileNetV3Small": 64,
    "NASNetMobile": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
}


def main(names: list[str]) -> None:
    """Measure the named networks, or all."""
    rows = []
    for name in names or SIZES:
        with tempfile.TemporaryDirectory() as directory:
            rows.append(measure(name, SIZES[name], Path(directory)))
    write_section(
        "TensorFlow frozen graphs",
        ("network", "groups", "loads, error", "halved, error", "MB before", "MB after", "seconds"),
        rows,
        "keras.applications frozen to `.pb`; seconds of loading and writing together.",
    )


def measure(name: str, size: int, directory: Path) -> tuple[str, ...]:
    """One row."""
    from prunus_tensorflow import graphdef

    model, path = frozen(name, size, directory)
    rng = np.random.default_rng(0)
    # Without batch norm small inputs fade to equal probabilities, which any network would give.
    scale = 255 if name.startswith("VGG") else 1
    image = rng.uniform(0, scale, (2, size, size, 3)).astype(np.float32)
    start = time.perf_counter()
    network = prunus.load(path)
    seconds = time.perf_counter() - start
    feed = {network.model.graph.inputs[0].name or "": image}
    (output,) = (value.name or "" for value in network.model.graph.outputs)
    loads = error(Session(network.model).run(feed)[output], model(image, training=False).numpy())
    grouping = find_groups(network)
    keep = {
        group.name: choose_units(group, rng.random(group.size), max(group.size // 2, 1))
        for group in grouping.groups
    }
    masked = mask(network, grouping, keep)
    smaller = compact_graph(masked, grouping, keep)
    (directory / "half").mkdir()
    start = time.perf_counter()
    written = graphdef.write(masked, smaller, Destination(directory / "half", "compact"))
    seconds += time.perf_counter() - start
    halved = error(run(written.model, output, feed), Session(masked.model).run(feed)[output])
    return (
        name,
        str(len(grouping.groups)),
        f"{loads:.0e}",
        f"{halved:.0e}",
        f"{path.stat().st_size / 1e6:.1f}",
        f"{written.model.stat().st_size / 1e6:.1f}",
        f"{seconds:.1f}",
    )


def frozen(name: str, size: int, directory: Path) -> tuple[Any, Path]:
    """A Keras model with lively statistics, and its frozen graph."""
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(size, size, 3), classes=10)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.path.endswith(("moving_variance", "gamma")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.path.endswith(("moving_mean", "beta")):
            variable.assign(0.2 * rng.normal(size=variable.shape))
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec([None, size, size, 3], tf.float32, name="x")
    )
    path = directory / f"{name}.pb"
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    path.write_bytes(graph.SerializeToString())
    return model, path


def run(path: Path, output: str, feed: dict[str, np.ndarray]) -> np.ndarray:
    """Output of a frozen graph in TensorFlow."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        graph = tf1.GraphDef()
        graph.ParseFromString(path.read_bytes())
        tf.graph_util.import_graph_def(graph, name="")
        found: np.ndarray = session.run(
            f"{output}:0", {f"{key}:0": value for key, value in feed.items()}
        )
        return found


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


if __name__ == "__main__":
    main(sys.argv[1:])
