"""Training functions of the user's own (``--train-fn``) on low-level graphs."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.errors import PluginError, StaleError, UsageError
from prunus.evaluation.session import Session
from prunus.training import Progress, TrainingJob
from prunus_tensorflow import train
from prunus_tensorflow.testing.graph_job import RECIPE, build, files, job
from prunus_tensorflow.training.samples import Batches

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
tf1 = tf.compat.v1
pytestmark = pytest.mark.tensorflow

OWN = """
import tensorflow as tf

tf1 = tf.compat.v1
seen = []


def train(session, graph, batches, step):
    scores = graph.get_tensor_by_name("scores:0")
    wanted = tf1.placeholder(tf.int64, [None])
    loss = tf1.losses.sparse_softmax_cross_entropy(wanted, scores)
    update = tf1.train.AdamOptimizer(0.01).minimize(loss)
    session.run(tf1.global_variables_initializer())  # a habit; the weights survive it
    for feed, labels in batches:
        seen.append(feed)
        value, _ = session.run([loss, update], {**feed, wanted: labels})
        step(value, 0.01)


def elsewhere(session, graph, batches, step):
    with tf.Graph().as_default():
        for feed, labels in batches:
            step(1.0)


def counts_nothing(session, graph, batches, step):
    pass


def broken(session, graph, batches, step):
    next(batches)
    raise RuntimeError("no such layer")


def diverges(session, graph, batches, step):
    for feed, labels in batches:
        step(float("nan"))


def unfed(session, graph, batches, step):
    for feed, labels in batches:
        session.run("scores:0")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def first_loss(one: TrainingJob) -> float:
    """Cross entropy of the compact network on the first batch, by ONNX Runtime."""
    batch = Batches(one, ("x",), lambda _: None).batch(0)
    (classes,) = Session(one.compact.model).run(batch.inputs).values()
    return float(-np.log(classes[np.arange(len(classes)), batch.labels]).mean())


def test_own_function_trains_and_resumes_exactly(own: Path, tmp_path: Path) -> None:
    options = {"train-fn": f"{own}:train"}
    seen: list[Progress] = []
    one = job(tmp_path, options=options, report=seen.append)
    whole = train.finetune(one)
    assert [p.iteration for p in seen] == list(range(1, 13))
    assert seen[-1].learning_rate == 0.01
    assert seen[-1].loss < seen[0].loss
    # the start is the pruned network, not the initial values the function set
    assert seen[0].loss == pytest.approx(first_loss(one), rel=1e-4)

    def stop(progress: Progress) -> None:
        if progress.iteration == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.finetune(job(tmp_path, options=options, report=stop))
    resumed = train.finetune(job(tmp_path, options=options, resume=True))
    for name, array in whole.items():
        assert np.allclose(array, resumed[name], rtol=1e-5, atol=1e-7)
    with pytest.raises(StaleError, match="belongs to another set of options; train without"):
        train.finetune(job(tmp_path, resume=True))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "elsewhere",
            UsageError,
            "no weight of the compact graph has changed: train the graph and the session it is "
            "given, not others",
        ),
        ("counts_nothing", UsageError, "it returned without calling step(loss)"),
        ("broken", PluginError, "RuntimeError: no such layer"),
        ("missing", UsageError, "has no function 'missing'"),
        ("diverges", UsageError, "training diverged at iteration 1: the loss is nan"),
        ("unfed", PluginError, "InvalidArgumentError: "),
    ],
)
def test_own_function_that_trains_nothing(
    name: str, kind: type[Exception], message: str, own: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        train.finetune(job(tmp_path, options={"train-fn": f"{own}:{name}"}))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


TRAIN_OP = """
def train(session, graph, batches, step):
    for feed, labels in batches:
        value, _ = session.run(["loss:0", "Adam"], {**feed, "labels:0": labels})
        step(value)
"""


def test_train_op_of_the_graph_is_enough(tmp_path: Path) -> None:
    """A training graph with its Adam slots: the function only runs the graph's own op."""

    def training() -> None:
        build()
        graph = tf1.get_default_graph()
        labels = tf1.placeholder(tf.int64, [None], name="labels")
        loss = tf1.losses.sparse_softmax_cross_entropy(labels, graph.get_tensor_by_name("scores:0"))
        tf1.train.AdamOptimizer(0.01).minimize(tf.identity(loss, name="loss"))

    source = files(tmp_path, training)
    source = attrs.evolve(source, options={"output_nodes": "scores"})
    adam = attrs.evolve(RECIPE, solver="Adam", iterations=2)
    train.finetune(job(tmp_path, source, recipe=adam))  # its slots are no second "w/Adam"
    (tmp_path / "own.py").write_text(TRAIN_OP)
    seen: list[Progress] = []
    options = {"train-fn": f"{tmp_path}/own.py:train"}
    one = job(tmp_path, source, options=options, report=seen.append)
    train.finetune(attrs.evolve(one, recipe=attrs.evolve(RECIPE, iterations=40)))
    assert seen[-1].loss < 0.8 * seen[0].loss
