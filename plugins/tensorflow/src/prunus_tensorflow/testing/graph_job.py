"""A small graph with files, and a training job on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import (
    ArrayDataset,
    LearningRate,
    Network,
    Recipe,
    Session,
    Source,
    TrainingJob,
    Weights,
    choose_units,
    compact_graph,
    find_groups,
    mask,
    scatter,
)
from prunus_tensorflow import graphdef
from prunus_tensorflow.runtime import tensorflow

RECIPE = Recipe(learning_rate=LearningRate(base=0.01), iterations=12, batch_size=16, snapshot=4)
CLASSES = 5


def build(resource: bool = False, keep: str = "placeholder", fixed: int | None = None) -> None:
    """Two convolutions with a batch norm of stored moments, a switch, dropout, dense."""
    tf = tensorflow()
    tf1 = tf.compat.v1

    def w(name: str, *shape: int) -> Any:
        return tf1.get_variable(name, shape, use_resource=resource)

    x = tf1.placeholder(tf.float32, [fixed, 8, 8, 3], name="x")
    training = tf1.placeholder(tf.bool, [], name="is_training")
    h = tf.nn.conv2d(x, w("c1/w", 3, 3, 3, 8), 1, "SAME") + w("c1/b", 8)
    moments = [w(f"n/{part}", 8) for part in ("gamma", "beta", "mean", "var")]
    h = tf1.nn.fused_batch_norm(h, *moments, epsilon=1e-3, is_training=False)[0]
    h = tf.nn.relu(h)
    tf1.disable_control_flow_v2()  # the Switch and Merge of old graphs
    h = tf1.cond(training, lambda: h * 3.0, lambda: tf.identity(h))
    tf1.enable_control_flow_v2()
    h = tf.nn.relu(tf.nn.conv2d(h, w("c2/w", 3, 3, 8, 12), 2, "SAME") + w("c2/b", 12))
    h = tf.reshape(h, [-1, 4 * 4 * 12])
    if keep == "placeholder":
        h = tf1.nn.dropout(h, keep_prob=tf1.placeholder(tf.float32, [], name="keep"))
    scores = tf.add(tf.matmul(h, w("f/w", 192, CLASSES)), w("f/b", CLASSES), name="scores")
    tf.nn.softmax(scores, name="classes")


def files(directory: Path, made: Callable[[], None] = build, frozen: bool = False) -> Source:
    """Write pbtxt and checkpoint, or a frozen graph."""
    tf = tensorflow()
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        made()
        rng = np.random.default_rng(0)
        session.run(tf1.global_variables_initializer())
        for variable in tf1.trainable_variables():
            values = 0.2 * rng.normal(size=[int(n) for n in variable.shape])
            positive = variable.op.name.endswith(("gamma", "var"))
            variable.load((np.abs(values) + 0.5 if positive else values).astype("f4"), session)
        if frozen:
            message = tf1.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), ["classes"]
            )
            (directory / "net.pb").write_bytes(message.SerializeToString())
            return Source(directory / "net.pb")
        tf1.train.Saver().save(session, str(directory / "net"), write_meta_graph=False)
        tf1.train.write_graph(graph, str(directory), "net.pbtxt", as_text=True)
    return Source(directory / "net.pbtxt", directory / "net")


def job(workspace: Path, source: Source | None = None, **changes: Any) -> TrainingJob:
    """A halved network and 64 samples whose class shifts the mean."""
    native = workspace / "native"
    if source is None:
        native.mkdir(exist_ok=True)
        source = Source(native / "net.pbtxt", native / "net")
        if not source.model.exists():
            files(native)
    return attrs.evolve(pruned(workspace, graphdef.load(source)), **changes)


def pruned(workspace: Path, network: Network) -> TrainingJob:
    """The job of a network that takes 8 x 8 images as input ``x``."""
    grouping = find_groups(network)
    rng = np.random.default_rng(1)
    keep = {g.name: choose_units(g, rng.random(g.size), g.size // 2) for g in grouping.groups}
    masked = mask(network, grouping, keep)
    draw = np.random.default_rng(0)
    labels = draw.integers(0, CLASSES, 64)
    inputs = draw.standard_normal((64, 8, 8, 3)) + (labels[:, None, None, None] - 2)
    return TrainingJob(
        masked,
        compact_graph(masked, grouping, keep),
        RECIPE,
        ArrayDataset("x", inputs.astype("f4"), labels),
        None,
        None,
        workspace,
        False,
        0,
        lambda _: None,
    )


def masked_with(one: TrainingJob, weights: Weights) -> Network:
    """The job's masked network after training."""
    return one.network.with_weights(scatter(one.network, one.compact, weights))


def outputs(network: Network, one: TrainingJob) -> NDArray[np.float32]:
    """Outputs on the job's 64 samples."""
    batch = one.training.read(np.arange(64), None)
    (found,) = Session(network.model).run(batch.inputs).values()
    return found
