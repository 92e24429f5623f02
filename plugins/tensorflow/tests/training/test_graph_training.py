"""The trainer on graphs without Keras: TensorFlow itself, resumable, with labels or without."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.cli import run
from prunus.compaction import compact
from prunus.errors import DataError, PluginError, StaleError, UsageError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Network, Source
from prunus.selection import choose_units
from prunus.steps.finetune import scatter
from prunus.task import LearningRate, Recipe
from prunus.testing.checks_trainer import trainer_checks
from prunus.training import Progress, TrainingJob
from prunus_tensorflow import graphdef, train
from prunus_tensorflow.training.samples import Batches

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
tf1 = tf.compat.v1
pytestmark = pytest.mark.tensorflow

RECIPE = Recipe(learning_rate=LearningRate(base=0.01), iterations=12, batch_size=16, snapshot=4)
CLASSES = 5


def build(resource: bool = False, keep: str = "placeholder", fixed: int | None = None) -> None:
    """Two convolutions with a batch norm of stored moments, a switch, dropout, dense."""

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
        compact(masked, grouping, keep),
        RECIPE,
        ArrayDataset("x", inputs.astype("f4"), labels),
        None,
        None,
        workspace,
        False,
        0,
        lambda _: None,
    )


CHECKS = trainer_checks(
    "tensorflow",
    job,
    expected_failures={
        # the kit takes the job's masked network for the teacher: the start equals it already
        "distills-without-labels": "the compact network starts at distance 0 from this teacher"
    },
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check: Any) -> None:
    check()


def masked_with(one: TrainingJob, weights: Any) -> Network:
    return one.network.with_weights(scatter(one.network, one.compact, weights))


def outputs(network: Network, one: TrainingJob) -> np.ndarray:
    batch = one.training.read(np.arange(64), None)
    (found,) = Session(network.model).run(batch.inputs).values()
    return found


@pytest.mark.parametrize("kind", ["ref", "resource", "frozen"])
def test_learns_from_labels(kind: str, tmp_path: Path) -> None:
    source = files(tmp_path, lambda: build(kind == "resource"), kind == "frozen")
    seen: list[Progress] = []
    recipe = attrs.evolve(RECIPE, iterations=100, batch_size=32)
    one = job(tmp_path, source, report=seen.append, recipe=recipe)
    weights = train.finetune(one)
    assert seen[-1].loss < 0.7 * seen[0].loss
    labels = one.training.read(np.arange(64), None).labels
    assert (outputs(masked_with(one, weights), one).argmax(1) == labels).mean() > 0.7
    for name, binding in one.network.bindings.items():
        if binding.role in ("mean", "variance") and name in weights:
            before = one.compact.model.graph.initializers[name].const_value.numpy()
            assert (weights[name] == before).all()


def test_distillation_approaches_the_original(tmp_path: Path) -> None:
    one = job(tmp_path)
    teacher = graphdef.load(Source(tmp_path / "native/net.pbtxt", tmp_path / "native/net"))
    recipe = attrs.evolve(RECIPE, iterations=60)
    data = attrs.evolve(one.training, labels=None)
    one = attrs.evolve(one, teacher=teacher, training=data, recipe=recipe)
    weights = train.finetune(one)
    wanted = outputs(teacher, one)
    before = np.abs(outputs(one.network, one) - wanted).mean()
    after = np.abs(outputs(masked_with(one, weights), one) - wanted).mean()
    assert after < 0.6 * before


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
    with pytest.raises(StaleError, match="belongs to another network, recipe, data set or seed"):
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


def test_refusals_name_what_to_do(own: Path, tmp_path: Path) -> None:
    one = job(tmp_path)
    option = {"train-fn": f"{own}:train"}
    with pytest.raises(UsageError, match=r"^--train-fn and --distill are two ways to train"):
        train.finetune(attrs.evolve(one, options=option, teacher=one.network))
    with pytest.raises(UsageError, match=r"^--train-fn nonsense: write FILE\.py:function or"):
        train.finetune(attrs.evolve(one, options={"train-fn": "nonsense"}))
    high = attrs.evolve(one.training, labels=np.full(64, 7))
    with pytest.raises(DataError, match=r"^a training label is 7, and the model has classes 0 to"):
        train.finetune(attrs.evolve(one, training=high))
    real = attrs.evolve(one.training, labels=np.zeros(64, np.float32))
    with pytest.raises(DataError, match=r"^the training labels are no class numbers: give --train"):
        train.finetune(attrs.evolve(one, training=real))
    odd = attrs.evolve(one.recipe, solver="AdaDelta")
    with pytest.raises(UsageError, match=r"^graphs are trained by SGD, Nesterov, Adam with a"):
        train.finetune(attrs.evolve(one, recipe=odd))
    fast = attrs.evolve(one.recipe, learning_rate=LearningRate(base=1e30))
    with pytest.raises(UsageError, match="training diverged at iteration"):
        train.finetune(attrs.evolve(one, recipe=fast))
    with pytest.raises(UsageError, match="read from TensorFlow's files"):
        train.finetune(attrs.evolve(one, network=attrs.evolve(one.network, origin=None)))


def test_rate_falls_along_a_cosine_and_resumes(tmp_path: Path) -> None:
    seen: list[Progress] = []
    options = {"decay": "cosine"}
    whole = train.finetune(job(tmp_path, options=options, report=seen.append))
    rates = [0.005 * (1 + math.cos(math.pi * done / 12)) for done in range(12)]
    assert [p.learning_rate for p in seen] == pytest.approx(rates, rel=1e-5)
    for path in sorted(tmp_path.glob("tensorflow_*.npz"))[1:]:
        path.unlink()
    resumed = train.finetune(job(tmp_path, options=options, resume=True))
    for name, array in whole.items():
        assert np.allclose(array, resumed[name], rtol=1e-5, atol=1e-7)
    with pytest.raises(UsageError, match="^--decay linear: only 'cosine' is known; without it"):
        train.finetune(job(tmp_path, options={"decay": "linear"}))


def test_batch_size_of_the_graph_is_asked_for(tmp_path: Path) -> None:
    source = files(tmp_path, lambda: build(keep="none", fixed=4))
    with pytest.raises(UsageError) as caught:
        train.finetune(job(tmp_path, source))
    assert str(caught.value) == (
        "input 'x' takes batches of shape [4, 8, 8, 3]: give --batch-size 4"
    )


def test_several_outputs_need_a_function(tmp_path: Path) -> None:
    def two() -> None:
        build()
        graph = tf1.get_default_graph()
        tf.nn.tanh(graph.get_tensor_by_name("scores:0"), name="more")

    source = files(tmp_path, two)
    with pytest.raises(UsageError) as caught:
        train.finetune(job(tmp_path, source))
    assert str(caught.value) == (
        "the graph has outputs classes, more, and a sample has one label: give --train-fn, or use "
        "--distill"
    )


def test_ctrl_c_saves_and_resumes(tmp_path: Path) -> None:
    whole = train.finetune(job(tmp_path))

    def press(progress: Progress) -> None:
        if progress.iteration == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="^stopped after 5 iterations; --resume continues$"):
        train.finetune(job(tmp_path, report=press))
    resumed = train.finetune(job(tmp_path, resume=True))
    for name, array in whole.items():
        assert np.allclose(array, resumed[name], rtol=1e-5, atol=1e-7)


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


def test_saved_model_trains_too(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    from prunus_tensorflow import keras_

    layers = keras.layers
    inputs = keras.Input((8, 8, 3), name="x")
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(inputs))
    x = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(layers.Conv2D(12, 3)(x)))
    keras.Model(inputs, x).export(tmp_path / "exported", verbose=False)
    network = keras_.load(Source(tmp_path / "exported"))
    seen: list[Progress] = []
    one = attrs.evolve(pruned(tmp_path, network), report=seen.append)
    train.finetune(attrs.evolve(one, recipe=attrs.evolve(RECIPE, iterations=40)))
    assert seen[-1].loss < seen[0].loss


def test_frozen_graph_through_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files keep their suffix, so the next step knows their kind."""
    source = files(tmp_path, lambda: build(keep="none"), frozen=True)
    x = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("f4")
    np.savez(tmp_path / "x.npz", x=x)
    space = ("--workspace", tmp_path / "ws", "--json")
    data = ("--data", tmp_path / "x.npz", "--metric", "fidelity")

    def command(*arguments: object) -> dict[str, Any]:
        assert run([str(one) for one in arguments]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    command("prune", "--model", source.model, "--rate", 0.4, *space, *data)
    tuned = command(
        "finetune", "--train-data", tmp_path / "x.npz", "--trainer", "tensorflow", "--distill",
        "--iterations", 60, *space, *data,
    )  # fmt: skip
    before, after = (stage["metric"]["value"] for stage in tuned["stages"][1:])
    assert after > before
    small = command("transform", "--output", tmp_path / "out", *space)
    (model,) = (Path(file) for file in small["files"])
    assert model.name == source.model.name  # not that of the finetuned file
    assert model.stat().st_size < source.model.stat().st_size
