"""A low-level TensorFlow graph and a Keras network through the four steps: `make demo-tensorflow`.

Works in ``build/demo-tensorflow``. The graph takes the ancestor's spelling (`prunus tensorflow
--action …`), twice with a growing rate; the results are loaded by plain TensorFlow and Keras.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).resolve().parent
WORK = Path("build/demo-tensorflow")


def prunus(*arguments: str) -> None:
    """Run one command in the work directory and show it."""
    print("\n$ prunus", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "prunus", *arguments], cwd=WORK, check=True)


def graph() -> None:
    """Pbtxt and checkpoint, 0.4 and then 0.7."""
    base = ("--input_graph", "lenet.pbtxt", "--workspace", "graph", "--data", "test.npz")
    prunus("tensorflow", "--action", "ana", *base, "--input_ckpt", "lenet")
    weights = "lenet"
    for rate in ("0.4", "0.7"):
        written = ("--sparsity", rate, "--output_graph", "small.pbtxt", "--output_ckpt", "sparse")
        prunus("tensorflow", "--action", "prune", *base, "--input_ckpt", weights, *written)
        prunus(
            "finetune", "--workspace", "graph", "--data", "test.npz", "--train-data", "train.npz",
            "--epochs", "2", "--learning-rate", "0.01",
        )  # fmt: skip
        weights = newest(WORK / f"graph/rate_{rate}")
    prunus(
        "tensorflow", "--action", "transform", "--workspace", "graph", "--input_ckpt", weights,
        "--output_ckpt", "dense", "--data", "test.npz",
    )  # fmt: skip


def newest(directory: Path) -> str:
    """Checkpoint prefix of the last finetune."""
    index = max(directory.rglob("*.index"), key=lambda path: path.stat().st_mtime)
    return str(index.with_suffix("").relative_to(WORK))


def keras() -> None:
    """A .keras file at rate 0.5, finetuned in Keras itself."""
    base = ("--model", "cnn.keras", "--workspace", "keras", "--data", "test.npz")
    prunus("ana", *base)
    prunus("prune", *base, "--rate", "0.5")
    prunus(
        "finetune", "--workspace", "keras", "--data", "test.npz", "--train-data", "train.npz",
        "--trainer", "tensorflow", "--epochs", "2",
    )  # fmt: skip
    prunus("transform", "--workspace", "keras", "--data", "test.npz", "--output", "small")


def in_tensorflow() -> None:
    """Accuracy of both results in plain TensorFlow and Keras."""
    import keras as plain
    import tensorflow as tf
    from google.protobuf import text_format

    with np.load(WORK / "test.npz") as stored:
        images, labels = stored["x"], stored["y"]
    v1 = tf.compat.v1
    definition = v1.GraphDef()
    text_format.Parse((WORK / "small.pbtxt").read_text(encoding="utf-8"), definition)
    with v1.Graph().as_default() as graph, v1.Session() as session:
        tf.import_graph_def(definition, name="")
        session.run("save/restore_all", {"save/Const:0": str((WORK / "dense").resolve())})
        scores = session.run("fc2/scores:0", {"images:0": images})
        print(
            f"\nplain TensorFlow: lenet {np.mean(scores.argmax(1) == labels):.2%}",
            len(graph.get_operations()),
            "ops",
        )
    small = plain.models.load_model(next((WORK / "small").glob("*.keras")))
    scores = small.predict(images, verbose=0)
    print(
        f"plain Keras: cnn {np.mean(scores.argmax(1) == labels):.2%}, {small.count_params():,} params"
    )


def main() -> None:
    """Train, prune, check."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    subprocess.run([sys.executable, str(HERE / "train.py"), str(WORK)], check=True)
    graph()
    keras()
    in_tensorflow()


if __name__ == "__main__":
    main()
