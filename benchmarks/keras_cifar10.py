"""Trained Keras models on CIFAR-10: accuracy before, pruned, finetuned in TensorFlow, transformed.

    python benchmarks/keras_cifar10.py

The command line does the work; the last column is plain Keras on the transformed file.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from command import prunus
from networks import SHARED
from results import write_section

from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow

DATA = SHARED / "datasets/cifar10"
MODELS = SHARED / "models/tensorflow"
CASES = (
    # file, factor from stored pixels to the input, learning rate with labels, distilled
    ("resnet8_cifar10/pretrainedResnet.h5", 1.0, "0.0003", "0.0005"),
    ("cifar10_keras/cifar10_cnn.keras", 1 / 255, "0.0003", "0.0005"),
)
HEADER = (
    "model", "rate", "original", "pruned", "labels, 3 epochs", "distilled, 3 epochs",
    "transformed, plain Keras", "bytes",
)  # fmt: skip


def main() -> None:
    """All models at both rates."""
    rows = []
    for name, scale, supervised, distilled in CASES:
        with tempfile.TemporaryDirectory() as text:
            space = _Workspace(MODELS / name, scale, Path(text))
            space.run("ana", "--samples", "2000")
            for rate in ("0.3", "0.5"):
                rows.append(_case(space, rate, supervised, distilled))
                print(rows[-1], flush=True)
    write_section(
        "Keras models on CIFAR-10",
        HEADER,
        rows,
        "Top-1 on the 10,000 test images. Pruning compensates on 256 images of train_batch_1 "
        "without their labels; then 3 epochs over its 10,000 in TensorFlow, `--decay cosine`: with "
        "labels and the model's own loss (learning rate 0.0003), or `--distill` without labels "
        "(0.0005), which is then transformed. The model's own optimizer, no augmentation; raw "
        "pixels for the ResNet-8, pixels over 255 for the CNN. benchmarks/keras_cifar10.py",
    )


@attrs.frozen
class _Workspace:
    """One model and where its steps write.

    Attributes:
        model: The file.
        scale: Factor from stored pixels to the input.
        path: The workspace.
    """

    model: Path
    scale: float
    path: Path

    def data(self, name: str) -> str:
        """A data specification."""
        scale = f":scale={self.scale!r}" if self.scale != 1 else ""
        return f"{DATA / name}.npz{scale}"

    def run(self, step: str, *arguments: str) -> Any:
        """One command of prunus on the model."""
        common = ("--model", self.model, "--workspace", self.path, "--data", self.data("test"))
        return prunus(step, *map(str, common), *arguments)

    def finetune(self, *arguments: str) -> Any:
        """Three epochs in TensorFlow."""
        return self.run(
            "finetune", "--trainer", "tensorflow", "--train-data", self.data("train_batch_1"),
            "--epochs", "3", "--decay", "cosine", *arguments,
        )  # fmt: skip


def _case(space: _Workspace, rate: str, supervised: str, distilled: str) -> tuple[str, ...]:
    pruned = space.run("prune", "--rate", rate, "--train-data", space.data("train_batch_1"))
    taught = space.finetune("--learning-rate", supervised)
    imitated = space.finetune("--learning-rate", distilled, "--distill")
    output = space.path / f"out_{rate}"
    space.run("transform", "--output", str(output))
    (file,) = output.iterdir()
    return (
        space.model.stem,
        rate,
        _metric(pruned, "original"),
        _metric(pruned, "pruned"),
        _metric(taught, "finetuned"),
        _metric(imitated, "finetuned"),
        f"{_plain(file, space.scale):.4f}",
        f"{space.model.stat().st_size:,} → {file.stat().st_size:,}",
    )


def _metric(report: Any, stage: str) -> str:
    (found,) = (one for one in report["stages"] if one["name"] == stage)
    metric = found["metric"]
    return f"{metric['value'] if isinstance(metric, dict) else metric:.4f}"


def _plain(file: Path, scale: float) -> float:
    tensorflow()
    import keras

    with np.load(DATA / "test.npz") as stored:
        x, y = stored["x"].astype(np.float32) * np.float32(scale), stored["y"].reshape(-1)
    with quiet():
        model = keras.models.load_model(file, compile=False)
        scores = model.predict(x, batch_size=200, verbose=0)
    return float((scores.argmax(1) == y).mean())


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
