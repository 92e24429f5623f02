"""The shared TF1 LeNet (pbtxt + checkpoint, a dead second copy inside) at 0.3 and then 0.6.

Every step is typed as a user would: `prunus tensorflow --action …`, `prunus finetune --trainer
tensorflow`. Analysis on 2,000 training digits, weights compensated on 256 training digits, accuracy
on all 10,000 MNIST test digits; the last figure is that of plain TensorFlow restoring the written
files.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from command import prunus
from networks import SHARED, mnist
from results import write_section

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
MODEL = SHARED / "models/tensorflow/lenet-mnist-tf1"
GRAPH = (
    *("--input_graph", str(MODEL / "lenet_graph.pbtxt"), "--workspace", "ws"),
    *("--input_nodes", "Placeholder", "--input_node_shapes", "1,32,32,1"),
    *("--output_nodes", "add_9"),
)
WRITTEN = ("--output_graph", "small.pbtxt", "--output_ckpt", "sparse")


def digits(folder: Path) -> None:
    """``train.npz``, ``some.npz`` and ``test.npz``: padded to 32×32, 0 to 1, channels last."""
    for name, part in (("train", "train"), ("test", "t10k")):
        images, labels = mnist(part)
        padded = np.pad(images[:, 0], ((0, 0), (2, 2), (2, 2)))[..., None]
        samples = (padded / 255).astype(np.float32)
        np.savez(folder / f"{name}.npz", x=samples, y=labels)
        if name == "train":
            np.savez(folder / "some.npz", x=samples[:2000], y=labels[:2000])


def restored(folder: Path) -> float:
    """Accuracy of the written files in plain TensorFlow."""
    import tensorflow as tf
    from google.protobuf import text_format

    v1 = tf.compat.v1
    definition = v1.GraphDef()
    text_format.Parse((folder / "small.pbtxt").read_text(encoding="utf-8"), definition)
    with np.load(folder / "test.npz") as stored:
        images, labels = stored["x"], stored["y"]
    with v1.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(definition, name="")
        session.run("save/restore_all", {"save/Const:0": str(folder / "dense")})
        scores = session.run("add_9:0", {"Placeholder:0": images})
    return float((scores.argmax(1) == labels).mean())


def steps(folder: Path) -> list[tuple[str, ...]]:
    """A row a state."""
    rows: list[tuple[str, ...]] = []
    run = partial(prunus, folder=folder)
    action = partial(run, "tensorflow", "--action")
    checkpoint = str(MODEL / "lenet")
    action("ana", *GRAPH, "--input_ckpt", checkpoint, "--data", "some.npz")
    for rate, epochs in (("0.3", "1"), ("0.6", "2")):
        pruned = action(
            "prune", *GRAPH, *WRITTEN, "--input_ckpt", checkpoint, "--sparsity", rate,
            "--data", "test.npz", "--train_data", "train.npz",
        )["stages"]  # fmt: skip
        if not rows:
            rows.append(row("original", pruned[0], pruned[0]))
        rows.append(row(f"{rate} pruned", pruned[-1], pruned[0]))
        tuned = run(
            "finetune", "--workspace", "ws", "--data", "test.npz", "--train-data", "train.npz",
            "--trainer", "tensorflow", "--epochs", epochs, "--learning-rate", "0.01",
            "--decay", "cosine",
        )["stages"]  # fmt: skip
        rows.append(row(f"{rate} finetuned, {epochs} epochs", tuned[-1], tuned[0]))
        indices = (folder / f"ws/rate_{rate}").rglob("*.index")
        newest = max(indices, key=lambda path: path.stat().st_mtime)
        checkpoint = str(newest.with_suffix(""))
    action(
        "transform", "--workspace", "ws", "--input_ckpt", checkpoint, "--output_ckpt", "dense",
        "--data", "test.npz",
    )  # fmt: skip
    before = (MODEL / "lenet.data-00000-of-00001").stat().st_size
    after = next(folder.glob("dense.data*")).stat().st_size
    rows.append(("plain TensorFlow", f"{restored(folder):.2%}", "", f"{before:,} → {after:,}"))
    return rows


def main() -> None:
    """All steps in a folder of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digits(folder)
        rows = steps(folder)
    write_section(
        "lenet-mnist-tf1 at 0.3 and 0.6 (tensorflow_lenet.py)",
        ("state", "MNIST test accuracy", "MACs removed", "checkpoint bytes"),
        rows,
    )


def row(name: str, stage: dict[str, Any], first: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    removed = 1 - stage["macs"] / first["macs"]
    return name, f"{stage['metric']['value']:.2%}", f"{removed:.2%}", ""


if __name__ == "__main__":
    main()
