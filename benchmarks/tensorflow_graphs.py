"""Third parties' low-level graphs at rate 0.5: do they agree, and do the smaller ones run?

A training pbtxt with a checkpoint (LeNet), a MetaGraph with input queues and Momentum slots
(MTCNN's RNet) and a frozen graph that decodes audio (keyword spotting). Everything is run by
plain TensorFlow: the original against the neutral graph, the transformed files against the
masked network; ``the file runs`` is what its users run, beyond the network itself.

    python benchmarks/tensorflow_graphs.py
"""

from __future__ import annotations

import io
import os
import tempfile
import wave
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from networks import SHARED
from results import write_section

import prunus
from prunus.plugin import Session, Source, Written

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
MODELS = SHARED / "models/tensorflow"
RATE = 0.5
Feed = Mapping[str, np.ndarray]


@attrs.frozen
class Case:
    """One graph.

    Attributes:
        source: Its files.
        batch: Samples of one run (RNet's input has a fixed number).
        use: What its users run: session -> what was seen.
    """

    source: Source
    batch: int
    use: Callable[[Any], str]


def train_lenet(session: Any) -> str:
    """The graph's own training op, on its Adam slots."""
    rng = np.random.default_rng(0)
    feed = {
        "Placeholder:0": rng.random((64, 32, 32, 1), np.float32),
        "Placeholder_1:0": rng.integers(0, 10, 64),
    }
    losses = [float(session.run(["Mean:0", "Adam"], feed)[0]) for _ in range(20)]
    return f"its own Adam: loss {losses[0]:.2f} → {losses[-1]:.2f} in 20 updates"


def train_rnet(session: Any) -> str:
    """One update by the MetaGraph's Momentum."""
    rng = np.random.default_rng(0)
    feed = {
        "input_image:0": rng.normal(size=(384, 24, 24, 3)).astype("f4"),
        "label:0": rng.integers(0, 2, 384).astype("f4"),
        "bbox_target:0": rng.normal(size=(384, 4)).astype("f4"),
        "landmark_target:0": rng.normal(size=(384, 10)).astype("f4"),
    }
    session.run("Momentum", feed)
    return "its own Momentum on its slots"


def hear(session: Any) -> str:
    """A .wav file through decoding, spectrogram and network."""
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 16000).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(samples.tobytes())
    wav = content.getvalue()
    scores = session.run("labels_softmax:0", {"wav_data:0": wav})
    return f"a .wav to {scores.shape[1]} scores"


CASES = {
    "lenet-mnist-tf1": Case(
        Source(
            MODELS / "lenet-mnist-tf1/lenet_graph.pbtxt",
            MODELS / "lenet-mnist-tf1/lenet",
            {"output_nodes": "add_9", "input_node_shapes": "1,32,32,1"},
        ),
        64,
        train_lenet,
    ),
    "MTCNN RNet": Case(
        Source(MODELS / "mtcnn_rnet/RNet-14.meta", MODELS / "mtcnn_rnet/RNet-14"), 384, train_rnet
    ),
    "keyword spotting DS-CNN": Case(Source(MODELS / "kws_ds_cnn/DS_CNN_S.pb"), 1, hear),
}


def measure(name: str, case: Case, directory: Path) -> tuple[str, ...]:
    """One row."""
    source = case.source
    network = prunus.load(source.model, source.weights, options=source.options)
    plan = prunus.plan(network, rate=RATE)
    masked = prunus.prune(network, plan)
    rng = np.random.default_rng(3)
    feed = {
        value.name or "": rng.normal(
            size=(case.batch, *(int(str(n)) for n in (value.shape or ())[1:]))
        ).astype("f4")
        for value in network.model.graph.inputs
    }
    own = error(Session(network.model).run(feed), run(Written(source.model, source.weights), feed))
    small = prunus.compact(masked).save(directory / "small")
    with opened(small) as session:
        used = case.use(session)
    return (
        name,
        str(len(prunus.stat(network).groups)),
        f"{plan.rate:.4f}",
        f"{own:.0e}",
        f"{error(Session(masked.network.model).run(feed), run(small, feed)):.0e}",
        f"{size(Written(source.model, source.weights)):,} → {size(small):,}",
        used,
    )


@contextmanager
def opened(files: Written) -> Any:
    """A session of plain TensorFlow on written files."""
    import tensorflow as tf
    from google.protobuf import text_format

    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        if files.model.suffix == ".meta":
            v1.train.import_meta_graph(str(files.model)).restore(session, str(files.weights))
        else:
            graph = v1.GraphDef()
            if files.weights is None:
                graph.ParseFromString(files.model.read_bytes())
            else:
                text_format.Parse(files.model.read_text(), graph)
            tf.graph_util.import_graph_def(graph, name="")
            if files.weights is not None:
                session.run("save/restore_all", {"save/Const:0": str(files.weights)})
        yield session


def run(files: Written, feed: Feed) -> dict[str, np.ndarray]:
    """Outputs by name, of plain TensorFlow."""
    names = outputs_of(files)
    with opened(files) as session:
        found = session.run(
            [f"{name}:0" for name in names], {f"{key}:0": value for key, value in feed.items()}
        )
    return dict(zip(names, found, strict=True))


def outputs_of(files: Written) -> tuple[str, ...]:
    """Output tensors of the cases, by kind of file."""
    if files.model.suffix == ".meta":
        return ("bbox_fc/BiasAdd", "landmark_fc/BiasAdd", "cls_fc/Softmax")
    return ("add_9",) if files.weights is not None else ("labels_softmax",)


def error(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> float:
    """Largest difference of any output, relative to its largest value."""
    return max(
        float(np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max())
        for name in wanted
    )


def size(files: Written) -> int:
    """Bytes of graph and weights."""
    model, weights = files.model, files.weights
    data = [] if weights is None else list(weights.parent.glob(f"{weights.name}.data*"))
    return sum(path.stat().st_size for path in (model, *data))


def main() -> None:
    """Measure all."""
    rows = []
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as directory:
            rows.append(measure(name, case, Path(directory)))
    write_section(
        "Third parties' TensorFlow graphs at rate 0.5",
        (
            "graph",
            "groups",
            "rate hit",
            "neutral − TensorFlow",
            "TensorFlow − masked",
            "bytes",
            "the file runs",
        ),
        rows,
        "Relative errors; no samples, uniform allocation. benchmarks/tensorflow_graphs.py",
    )


if __name__ == "__main__":
    main()
