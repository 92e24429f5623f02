"""A low-level TensorFlow graph and a Keras network through the four steps: `make demo-tensorflow`.

Works in ``build/demo-tensorflow``. The graph takes the legacy spelling (`prunus tensorflow
--action …`), twice with a growing rate; both are finetuned in TensorFlow itself, the graph with
labels, the Keras network by distillation from the original. The results are loaded by plain TensorFlow
and Keras.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from shown import Rows, prunus, show, show_report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).resolve().parent
WORK = Path("build/demo-tensorflow")
RATES = ("0.4", "0.7")
TRAINING = ("--train-data", "train.npz", "--trainer", "tensorflow", "--decay", "cosine")


def graph() -> Rows:
    """Pbtxt and checkpoint, 0.4 and then 0.7."""
    base = ("--input_graph", "lenet.pbtxt", "--workspace", "graph", "--data", "test.npz")
    prunus(WORK, "tensorflow", "--action", "ana", *base, "--input_ckpt", "lenet")
    weights, rows = "lenet", {}
    for rate in RATES:
        pruned = prunus(
            WORK, "tensorflow", "--action", "prune", *base, "--input_ckpt", weights, "--sparsity", rate,
            "--train_data", "train.npz", "--output_graph", "small.pbtxt", "--output_ckpt", "sparse",
        )  # fmt: skip
        rows.setdefault("original", pruned["stages"][0])
        rows["pruned"] = pruned["stages"][-1]
        tuned = prunus(
            WORK, "finetune", "--workspace", "graph", "--data", "test.npz", *TRAINING,
            "--epochs", "2", "--learning-rate", "0.003",
        )  # fmt: skip
        rows["finetuned"] = tuned["stages"][-1]
        weights = f"graph/rate_{rate}/snapshots/lenet"
    final = prunus(
        WORK, "tensorflow", "--action", "transform", "--workspace", "graph", "--input_ckpt", weights,
        "--output_ckpt", "dense", "--data", "test.npz",
    )  # fmt: skip
    return finished(rows, final)


def keras() -> Rows:
    """A .keras file at rate 0.5, finetuned in Keras itself without labels."""
    base = ("--model", "cnn.keras", "--workspace", "keras", "--data", "test.npz")
    prunus(WORK, "ana", *base)
    pruned = prunus(WORK, "prune", *base, "--rate", "0.5", "--train-data", "train.npz")
    tuned = prunus(
        WORK, "finetune", "--workspace", "keras", "--data", "test.npz", *TRAINING, "--distill",
        "--epochs", "2", "--learning-rate", "0.0005",
    )  # fmt: skip
    final = prunus(
        WORK, "transform", "--workspace", "keras", "--data", "test.npz", "--output", "small"
    )
    rows = dict(zip(("original", "pruned"), pruned["stages"], strict=True))
    rows["finetuned"] = tuned["stages"][-1]
    return finished(rows, final)


def finished(rows: Rows, final: dict[str, Any]) -> Rows:
    """The rows with the transformed network, and both latencies."""
    rows["original"]["milliseconds"] = final["stages"][1]["milliseconds"]
    return {**rows, "transformed": final["stages"][-1]}


def in_tensorflow() -> None:
    """Accuracy of both results in plain TensorFlow and Keras."""
    from prunus_tensorflow.runtime import tensorflow  # imports it without its start-up chatter

    tf = tensorflow()
    from google.protobuf import text_format

    with np.load(WORK / "test.npz") as stored:
        images, labels = stored["x"], stored["y"]
    v1 = tf.compat.v1
    definition = v1.GraphDef()
    text_format.Parse((WORK / "small.pbtxt").read_text(encoding="utf-8"), definition)
    with v1.Graph().as_default(), v1.Session() as session:
        tf.graph_util.import_graph_def(definition, name="")
        session.run("save/restore_all", {"save/Const:0": str((WORK / "dense").resolve())})
        scores = session.run("fc2/scores:0", {"images:0": images})
    print(f"\nplain TensorFlow, small.pbtxt + dense: {np.mean(scores.argmax(1) == labels):.2%}")
    file = next((WORK / "small").glob("*.keras"))
    small = tf.keras.models.load_model(file)
    scores = small.predict(images, verbose=0)
    print(f"plain Keras, small/{file.name}: {np.mean(scores.argmax(1) == labels):.2%}")


def main() -> None:
    """Train, prune, check."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    subprocess.run([sys.executable, str(HERE / "train.py"), str(WORK)], check=True)
    tables = {
        "LeNet as a low-level graph, 1,000 held-out digits": graph(),
        "Keras network with BatchNormalization and a residual connection": keras(),
    }
    for title, rows in tables.items():
        print()
        show(title, "accuracy", rows)
    in_tensorflow()
    show_report(WORK, "keras")


if __name__ == "__main__":
    main()
