"""vai_p_tensorflow's evaluation scripts and its command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.cli import run
from prunus.errors import DataError, PluginError, UsageError
from prunus_tensorflow.commands.evaluation_script import load_script

pytestmark = pytest.mark.tensorflow

NETWORK = """
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


def network(x):
    def w(name, *shape):
        return tf1.get_variable(name, shape, use_resource=False)

    h = tf.nn.conv2d(x, w("c1/w", 3, 3, 1, 8), 1, "SAME") + w("c1/b", 8)
    h = tf.nn.max_pool2d(tf.nn.relu(h), 2, 2, "SAME")
    h = tf.nn.conv2d(h, w("c2/w", 3, 3, 8, 12), 1, "SAME") + w("c2/b", 12)
    h = tf.reduce_mean(tf.nn.relu(h), [1, 2], name="features")
    return tf.add(tf.matmul(h, w("f/w", 12, 3)), w("f/b", 3), name="logits")


def samples():
    rng = np.random.default_rng(5)
    return rng.normal(size=(90, 8, 8, 1)).astype("f4"), rng.integers(0, 3, 90)


def data():
    return tf.data.Dataset.from_tensor_slices(samples()).batch(20)
"""

FORMS = {
    "ops": """
def model_fn():
    x, y = tf1.data.make_one_shot_iterator(data()).get_next()
    hits = tf1.metrics.accuracy(y, tf.argmax(network(x), 1))
    return {"accuracy": hits, "size": tf.cast(tf.shape(x)[0], tf.float32)}
""",
    "spec": """
def eval_input_fn():
    return data()


def model_fn(features, labels, mode):
    assert mode == "eval"

    class Spec:
        eval_metric_ops = {
            "accuracy": tf1.metrics.accuracy(labels, tf.argmax(network(features), 1))
        }

    return Spec
""",
    "estimator": """
def eval_input_fn():
    return data()


class Estimator:
    def evaluate(self, input_fn, steps, checkpoint_path):
        with tf.Graph().as_default(), tf1.Session() as session:
            dataset = input_fn() if steps is None else input_fn().take(steps)
            x, y = tf1.data.make_one_shot_iterator(dataset).get_next()
            hit = tf.cast(tf.equal(y, tf.argmax(network(x), 1)), tf.float32)
            tf1.train.Saver().restore(session, checkpoint_path)
            hits = []
            try:
                while True:
                    hits.extend(session.run(hit))
            except tf.errors.OutOfRangeError:
                return {"accuracy": np.mean(hits), "global_step": 0}


def model_fn():
    return Estimator()
""",
    "checkpoint": """
def evaluate(ckpt_path):
    x, y = samples()
    with tf.Graph().as_default(), tf1.Session() as session:
        logits = network(x)
        tf1.train.Saver().restore(session, ckpt_path)
        return {"accuracy": np.mean(session.run(logits).argmax(1) == y)}
""",
}


def fit_last_layer(tf1: Any, session: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Least squares, so that the accuracy depends on every channel."""
    features = session.run("features:0", {"x:0": x})
    design = np.hstack([features, np.ones((len(x), 1))])
    solution = np.linalg.lstsq(design, np.eye(3)[y], rcond=None)[0].astype("f4")
    for variable in tf1.global_variables():
        if variable.op.name.startswith("f/"):
            rows = solution[:-1] if variable.op.name == "f/w" else solution[-1]
            variable.load(rows, session)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    directory = tmp_path_factory.mktemp("script")
    tf1 = tf.compat.v1
    scope: dict[str, Any] = {}
    exec(NETWORK, scope)
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, 8, 8, 1], name="x")
        scope["network"](x)
        saver = tf1.train.Saver()
        rng = np.random.default_rng(0)
        for variable in tf1.global_variables():
            size = [int(n) for n in variable.shape]
            variable.load(0.3 * rng.normal(size=size).astype("f4"), session)
        fit_last_layer(tf1, session, *scope["samples"]())
        saver.save(session, str(directory / "base"), write_meta_graph=False)
        tf1.train.write_graph(graph, str(directory), "base.pbtxt")
    for form, text in FORMS.items():
        (directory / f"{form}.py").write_text(NETWORK + text)
    return directory


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_gives_the_same_value(form: str, files: Path) -> None:
    script = load_script(files / f"{form}.py", "accuracy")
    assert script.form == form
    expected = load_script(files / "checkpoint.py").measure(files / "base")
    assert 0 < expected < 1
    assert script.measure(files / "base") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("form", ["ops", "spec", "estimator"])
def test_number_of_batches(form: str, files: Path) -> None:
    scope: dict[str, Any] = {}
    exec(NETWORK, scope)
    few = load_script(files / f"{form}.py", "accuracy", 2).measure(files / "base")
    assert (few * 40) == pytest.approx(round(few * 40), abs=1e-4)


def test_plain_tensors_are_averaged(files: Path) -> None:
    assert load_script(files / "ops.py", "size", 3).measure(files / "base") == 20.0


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bad.py"
    path.write_text(text)
    return path


def test_script_without_a_form(tmp_path: Path) -> None:
    path = write(tmp_path, "x = 1\n")
    with pytest.raises(UsageError) as caught:
        load_script(path)
    assert str(caught.value) == (
        f"{path}: none of the three forms is in it: model_fn(), model_fn() with eval_input_fn(), "
        "or evaluate(ckpt_path)"
    )


def test_script_that_fails_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "def evaluate(path):\n    return 1 / 0\n")
    with pytest.raises(PluginError) as caught:
        load_script(path).measure(tmp_path / "x")
    assert str(caught.value) == f"{path}, line 2: ZeroDivisionError: division by zero"


def test_script_that_cannot_be_imported(tmp_path: Path) -> None:
    path = write(tmp_path, "import a_module_that_is_not_there\n")
    with pytest.raises(PluginError, match="line 1: ModuleNotFoundError: No module named"):
        load_script(path)


def test_unknown_target(files: Path) -> None:
    script = load_script(files / "checkpoint.py", "acc5")
    with pytest.raises(UsageError) as caught:
        script.measure(files / "base")
    assert str(caught.value) == (
        f"{files / 'checkpoint.py'}: it gives no metric 'acc5', only accuracy"
    )


def test_empty_data(files: Path, tmp_path: Path) -> None:
    text = NETWORK + FORMS["ops"].replace("data()", "data().take(0)")
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        load_script(path, "accuracy").measure(files / "base")
    assert str(caught.value) == f"{path}: the evaluation data is empty"


def test_graph_of_other_names(files: Path, tmp_path: Path) -> None:
    path = write(tmp_path, NETWORK.replace("c2/b", "conv2/b") + FORMS["ops"])
    with pytest.raises(PluginError) as caught:
        load_script(path, "accuracy").measure(files / "base")
    assert str(caught.value) == (
        f"{files / 'base'}: variable 'conv2/b' of the evaluation graph is not in it: build the "
        "graph with the names it was trained with"
    )


def command(*arguments: object) -> int:
    return run(["tensorflow", *(str(one) for one in arguments)])


def test_ana_prune_transform_with_a_script(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        "--input_graph", files / "base.pbtxt", "--workspace", tmp_path / "ws",
        "--eval_fn_path", files / "checkpoint.py", "--target", "accuracy", "--json",
    ]  # fmt: skip
    assert command("--action", "ana", "--input_ckpt", files / "base", *common) == 0
    analysis = json.loads(capsys.readouterr().out)
    assert analysis["metric"] == "accuracy"
    assert [curve["group"] for curve in analysis["curves"]] == ["Conv2D", "Conv2D_1"]
    assert len({point["value"] for point in analysis["curves"][0]["points"]}) > 1

    sparse = tmp_path / "sparse"
    prune = [
        "--sparsity", 0.5, "--channel_batch", 1,
        "--output_graph", tmp_path / "small.pbtxt", "--output_ckpt", sparse,
    ]  # fmt: skip
    assert command("--action", "prune", "--input_ckpt", files / "base", *prune, *common) == 0
    report = json.loads(capsys.readouterr().out)
    script = load_script(files / "checkpoint.py", "accuracy")
    assert report["stages"][0]["metric"]["value"] == script.measure(files / "base")
    assert report["stages"][1]["metric"]["value"] == script.measure(sparse)
    assert abs(report["facts"]["rate"] - 0.5) < 0.05

    dense = tmp_path / "dense"
    shift = ["--output_ckpt", dense, "--workspace", tmp_path / "ws", "--json"]
    assert command("--action", "transform", "--input_ckpt", sparse, *shift) == 0
    proof = json.loads(capsys.readouterr().out)["facts"]["proof"]
    assert proof["error"] < 1e-5
    assert not list(tmp_path.glob(".prunus-*"))

    import tensorflow as tf
    from google.protobuf import text_format

    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        graph = text_format.Parse((tmp_path / "small.pbtxt").read_text(), tf1.GraphDef())
        tf.graph_util.import_graph_def(graph, name="")
        session.run("save/restore_all", {"save/Const:0": str(dense)})
        scope: dict[str, Any] = {}
        exec(NETWORK, scope)
        x, y = scope["samples"]()
        logits = session.run("logits:0", {"x:0": x})
    assert (logits.argmax(1) == y).mean() == script.measure(sparse)


def test_flops(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--input_graph", files / "base.pbtxt", "--input_ckpt", files / "base"]
    assert command("--action", "flops", *arguments) == 0
    macs = 8 * 8 * 9 * 8 + 4 * 4 * 9 * 8 * 12 + 36
    params = 9 * 8 + 8 + 9 * 8 * 12 + 12 + 36 + 3
    assert capsys.readouterr().out == f"FLOPs: {2 * macs}\nMACs: {macs}\nParams: {params}\n"


def test_exclude_and_named_nodes(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(
        "--action", "prune", "--input_graph", files / "base.pbtxt", "--input_ckpt", files / "base",
        "--workspace", tmp_path / "ws", "--sparsity", "0.2", "--exclude", "Conv2D",
        "--input_nodes", "x", "--input_node_shapes", "1,8,8,1", "--output_nodes", "logits",
        "--output_graph", tmp_path / "g.pbtxt", "--output_ckpt", tmp_path / "c", "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["group"] for row in found["groups"]] == ["Conv2D_1"]


def test_transform_remembers_the_nodes_of_prune(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (files / "base.pbtxt").read_text()
    shape = text[text.index('  attr {\n    key: "shape"') : text.index('node {\n  name: "c1/w')]
    graph = tmp_path / "shapeless.pbtxt"
    graph.write_text(text.replace(shape, "}\n", 1))
    workspace = ["--workspace", tmp_path / "ws", "--json"]
    assert command(
        "--action", "prune", "--input_graph", graph, "--input_ckpt", files / "base",
        "--sparsity", "0.4", "--input_nodes", "x", "--input_node_shapes", "1,8,8,1",
        "--output_nodes", "logits", "--output_graph", tmp_path / "g.pbtxt",
        "--output_ckpt", tmp_path / "sparse", *workspace,
    ) == 0  # fmt: skip
    capsys.readouterr()
    shift = ["--input_ckpt", tmp_path / "sparse", "--output_ckpt", tmp_path / "dense"]
    assert command("--action", "transform", *shift, *workspace) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["proof"]["error"] < 1e-5


def test_frozen_graph_needs_no_checkpoint(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prunus.network import Compact, Destination, Source
    from prunus_tensorflow import graphdef

    network = graphdef.load(Source(files / "base.pbtxt", files / "base"))
    destination = Destination(tmp_path, "compact", "net.pbtxt", {"frozen": "yes"})
    graphdef.write(network, Compact(network.model, {}), destination)
    frozen = tmp_path / "net.frozen.pb"
    arguments = [
        "--action", "prune", "--input_graph", frozen, "--workspace", tmp_path / "ws",
        "--sparsity", "0.4", "--channel_batch", "1", "--output_graph", tmp_path / "small.pb",
    ]  # fmt: skip
    assert command(*arguments) == 0
    assert (tmp_path / "small.pb").stat().st_size < frozen.stat().st_size
    capsys.readouterr()
    assert command(*arguments, "--eval_fn_path", files / "checkpoint.py") == 2
    assert capsys.readouterr().err == (
        f"error: {files / 'checkpoint.py'}: a script measures checkpoints and this graph is "
        "frozen: give --data\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--action", "ana"), "missing --input_graph, --input_ckpt, --workspace"),
        (
            ("--action", "transform", "--input_ckpt", "a", "--output_ckpt", "b"),
            "--action transform needs the baseline graph: give --input_graph, or the "
            "--workspace of the prune step",
        ),
    ],
)
def test_missing_options(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_transform_refuses_weights_without_a_mask(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(
        "--action", "transform", "--input_graph", files / "base.pbtxt",
        "--input_ckpt", files / "base", "--output_ckpt", tmp_path / "d",
    )  # fmt: skip
    assert code == 6
    text = capsys.readouterr().err
    assert re.match(rf"error: {re.escape(str(files / 'base'))}: no channel is masked", text)
    assert list(tmp_path.iterdir()) == []
