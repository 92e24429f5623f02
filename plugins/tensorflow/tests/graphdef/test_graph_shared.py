"""Third parties' graphs: a training pbtxt, a MetaGraph with queues, a frozen audio graph."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.network import Compact, Destination, Source

pytestmark = [pytest.mark.tensorflow, pytest.mark.shared]

LENET = {"input_node_shapes": "1,32,32,1"}


def source_of(models: Path, name: str) -> Source:
    return {
        "lenet": Source(
            models / "lenet-mnist-tf1/lenet_graph.pbtxt", models / "lenet-mnist-tf1/lenet", LENET
        ),
        "lenet-meta": Source(models / "lenet-mnist-tf1/lenet.meta", None, LENET),
        "rnet": Source(models / "mtcnn_rnet/RNet-14.meta", models / "mtcnn_rnet/RNet-14"),
        "kws": Source(models / "kws_ds_cnn/DS_CNN_S.pb"),
    }[name]


def feed_for(network: Any, batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        value.name: rng.normal(size=(batch, *(int(n) for n in value.shape[1:]))).astype("f4")
        for value in network.model.graph.inputs
    }


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize(
    ("name", "outputs", "batch"),
    [
        ("lenet", ("add_9",), 4),
        ("lenet-meta", ("add_9",), 4),
        ("rnet", ("bbox_fc/BiasAdd", "landmark_fc/BiasAdd", "cls_fc/Softmax"), 384),
        ("kws", ("labels_softmax",), 1),
    ],
)
def test_agrees_halves_and_restores(
    name: str, outputs: tuple[str, ...], batch: int, models: Path, tools: Any, tmp_path: Path
) -> None:
    from prunus_tensorflow import graphdef

    source = source_of(models, name)
    network = graphdef.load(source)
    assert network.origin.outputs == outputs
    feed = feed_for(network, batch)
    mine = Session(network.model).run(feed)
    weights = None if network.origin.checkpoint is None else Path(network.origin.checkpoint)
    for one, theirs in zip(outputs, tools.run(source.model, weights, outputs, feed), strict=True):
        assert error(mine[one], theirs) < 1e-4

    (tmp_path / "same").mkdir()
    whole = Compact(network.model, {})
    same = graphdef.write(network, whole, Destination(tmp_path / "same", "masked"))
    assert same.model.read_bytes() == source.model.read_bytes()

    masked, smaller, written = tools.halve(network, tmp_path / "half")
    assert smaller.kept
    expected = Session(masked.model).run(feed)
    found = tools.run(written.model, written.weights, outputs, feed)
    for one, theirs in zip(outputs, found, strict=True):
        assert error(expected[one], theirs) < 1e-4
    again = graphdef.load(Source(written.model, written.weights, source.options))
    for one in outputs:
        assert error(Session(again.model).run(feed)[one], expected[one]) < 1e-5


def test_dead_copy_and_optimizer_slots(models: Path, tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = source_of(models, "lenet")
    network = graphdef.load(source)
    assert network.notes == (
        "'add_4' and what leads to it is left untouched: the training does not use it",
    )
    _, _, written = tools.halve(network, tmp_path / "half")
    load = tools.tf.train.load_checkpoint
    old, new = load(str(source.weights)), load(str(written.weights))
    before, after = old.get_variable_to_shape_map(), new.get_variable_to_shape_map()
    assert before.keys() == after.keys()
    assert after["Variable_2"] == before["Variable_2"] == [5, 5, 6, 16]
    assert (old.get_tensor("Variable_2") == new.get_tensor("Variable_2")).all()
    for slot in ("", "/Adam", "/Adam_1"):
        assert after["Variable_12" + slot] == [5, 5, 3, 8]
        assert after["Variable_14" + slot] == [200, 60]
    # the slot keeps the very positions its variable keeps
    old_slot, new_slot = old.get_tensor("Variable_11/Adam"), new.get_tensor("Variable_11/Adam")
    old_bias, new_bias = old.get_tensor("Variable_11"), new.get_tensor("Variable_11")
    positions = [int(np.flatnonzero(old_bias == value)[0]) for value in new_bias]
    assert (old_slot[positions] == new_slot).all()


def test_plain_tensorflow_trains_the_smaller_graph(
    models: Path, tools: Any, tmp_path: Path
) -> None:
    from prunus_tensorflow import graphdef

    network = graphdef.load(source_of(models, "lenet"))
    _, _, written = tools.halve(network, tmp_path / "half")
    tf, tf1 = tools.tf, tools.tf.compat.v1
    from google.protobuf import text_format

    rng = np.random.default_rng(0)
    feed = {
        "Placeholder:0": rng.random((8, 32, 32, 1), np.float32),
        "Placeholder_1:0": np.arange(8),
    }
    with tf.Graph().as_default(), tf1.Session() as session:
        graph = tf1.GraphDef()
        text_format.Parse(written.model.read_text(), graph)
        tf.graph_util.import_graph_def(graph, name="")
        session.run("save/restore_all", {"save/Const:0": str(written.weights)})
        losses = [session.run(["Mean:0", "Adam"], feed)[0] for _ in range(15)]
        assert losses[-1] < 0.8 * losses[0]
        session.run("init")  # the initial values have the new shapes too
        assert np.isfinite(session.run("Mean:0", feed))


def test_lenet_reads_mnist(models: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from prunus_tensorflow import graphdef

    root = models.parents[1] / "datasets" / "mnist"
    if not root.is_dir():
        pytest.skip("shared MNIST not found")

    def read(name: str, offset: int) -> np.ndarray:
        content = gzip.decompress((root / name).read_bytes())
        return np.frombuffer(content, np.uint8, -1, offset)

    images, labels = read("t10k-images-idx3-ubyte.gz", 16), read("t10k-labels-idx1-ubyte.gz", 8)
    x = np.pad(images.reshape(-1, 28, 28, 1) / 255.0, ((0, 0), (2, 2), (2, 2), (0, 0)))
    network = graphdef.load(source_of(models, "lenet"))
    scores = Session(network.model).run({"Placeholder": x.astype(np.float32)})["add_9"]
    assert round(float((scores.argmax(1) == labels).mean()), 4) == 0.9902


def test_rnet_retrains_from_its_metagraph(models: Path, tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    network = graphdef.load(source_of(models, "rnet"))
    _, _, written = tools.halve(network, tmp_path / "half")
    tf, tf1 = tools.tf, tools.tf.compat.v1
    rng = np.random.default_rng(0)
    feed = {
        "input_image:0": rng.normal(size=(384, 24, 24, 3)).astype("f4"),
        "label:0": rng.integers(0, 2, 384).astype("f4"),
        "bbox_target:0": rng.normal(size=(384, 4)).astype("f4"),
        "landmark_target:0": rng.normal(size=(384, 10)).astype("f4"),
    }
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.train.import_meta_graph(str(written.model)).restore(session, str(written.weights))
        session.run("Momentum", feed)


def test_audio_front_end_still_runs(models: Path, tools: Any, tmp_path: Path) -> None:
    """The pruned file takes a .wav, as the original does."""
    from prunus_tensorflow import graphdef

    tf = tools.tf
    source = source_of(models, "kws")
    network = graphdef.load(source)
    assert [value.name for value in network.model.graph.inputs] == ["Mfcc"]
    rng = np.random.default_rng(0)
    wav = tf.audio.encode_wav(rng.uniform(-1, 1, (16000, 1)).astype("f4"), 16000).numpy()
    masked, _, written = tools.halve(network, tmp_path / "half")
    names = ("labels_softmax", "Mfcc")
    found, mfcc = tools.run(written.model, None, names, {"wav_data": wav})
    expected = Session(masked.model).run({"Mfcc": mfcc})["labels_softmax"]
    assert error(expected, found) < 1e-4
    assert written.model.stat().st_size < 0.5 * source.model.stat().st_size
