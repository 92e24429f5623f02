"""Trained Keras models on CIFAR-10: accuracy before, pruned, finetuned in TensorFlow, transformed.

    python benchmarks/keras_cifar10.py

The command line does the work; the last column is plain Keras on the transformed file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from results import write_section

from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow

ROOT = Path(os.environ.get("PRUNUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
DATA = ROOT / "data" / "datasets" / "cifar10"
MODELS = ROOT / "data" / "models" / "tensorflow"
CASES = (
    # file, factor from stored pixels to the input, learning rate
    ("resnet8_cifar10/pretrainedResnet.h5", 1.0, "0.0005"),
    ("cifar10_keras/cifar10_cnn.keras", 1 / 255, "0.0005"),
)
HEADER = ["model", "rate", "original", "pruned", "3 epochs", "transformed, plain Keras", "bytes"]


def main() -> None:
    rows = []
    for name, scale, learning_rate in CASES:
        for rate in ("0.3", "0.5"):
            with tempfile.TemporaryDirectory() as text:
                rows.append(_case(MODELS / name, scale, learning_rate, rate, Path(text)))
            print(rows[-1], flush=True)
    write_section(
        "Keras models on CIFAR-10",
        HEADER,
        rows,
        "Top-1 on the 10,000 test images; 3 epochs over the 10,000 of train_batch_1 with the "
        "model's own loss and optimizer in TensorFlow, labels only. Raw pixels for the ResNet-8, "
        "pixels over 255 for the CNN. benchmarks/keras_cifar10.py",
    )


def _case(model: Path, scale: float, learning_rate: str, rate: str, space: Path) -> list[str]:
    def data(name: str) -> str:
        return f"{DATA / name}:scale={scale!r}" if scale != 1 else str(DATA / name)

    common = ["--model", str(model), "--workspace", str(space), "--data", data("test.npz")]
    _prunus("ana", *common, "--samples", "500")
    pruned = _prunus("prune", *common, "--rate", rate)
    tuned = _prunus(
        "finetune",
        *common,
        *("--trainer", "tensorflow", "--train-data", data("train_batch_1.npz")),
        *("--epochs", "3", "--learning-rate", learning_rate),
    )
    _prunus("transform", *common, "--output", str(space / "out"))
    (file,) = (space / "out").iterdir()
    return [
        model.stem,
        rate,
        _metric(pruned, "original"),
        _metric(pruned, "pruned"),
        _metric(tuned, "finetuned"),
        f"{_plain(file, scale):.4f}",
        f"{model.stat().st_size:,} → {file.stat().st_size:,}",
    ]


def _prunus(*arguments: str) -> Any:
    command = [sys.executable, "-m", "prunus", *arguments, "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"prunus {' '.join(arguments)}: {found.stderr}")
    return json.loads(found.stdout)


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
