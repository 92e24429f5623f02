"""ONNX files of several exporters through all four steps, judged by ONNX Runtime and OpenCV.

    python benchmarks/onnx_exports.py [NAME…]

Needs torch, onnxscript, onnxsim, onnxslim, tensorflow and tf2onnx. Networks with random weights
are exported by PyTorch's two exporters and from Keras, in opsets 9 to 21, with a fixed and a
free batch, and simplified or with inferred inner shapes. ana, prune, finetune and transform run
as commands; then ONNX Runtime compares the finetuned file with the transformed one, for one
sample and for three.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import onnxruntime
import torch
from results import RESULTS, write_section
from torch import Tensor, nn
from torch.nn import functional

from prunus.cli import run
from prunus_torch.testing.exported import Classifier, conv, networks

TITLE = "ONNX files of several exporters"
SIDE = 16
RATE = {"windows": "0.2", "tokens": "0.2"}
"""Networks of attention let less go than 0.4, the rate of the others."""

UNTRAINED = ("lstm", "gru")
"""The torch trainer has no recurrent layers: what was pruned is transformed."""

HEADER = [
    "network",
    "exporter",
    "opset",
    "batch",
    "afterwards",
    "groups",
    "MACs removed",
    "transformed − finetuned",
    "batch 3",
    "OpenCV",
    "s",
    "outcome",
]


class Recurrent(nn.Module):
    """Columns of a convolution are a sequence (Shi et al., CRNN, TPAMI 2017)."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(3, 12), nn.MaxPool2d(2), conv(12, 10), nn.MaxPool2d(2))
        self.memory = kind(40, 12, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.layers(x).permute(0, 3, 1, 2).flatten(2)
        return self.head(self.memory(x)[0])


class Hourglass(nn.Module):
    """Down, up by a transposed convolution, joined with what was there (U-Net)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.down, self.up = (
            conv(3, 8),
            conv(8, 16, 3, 2),
            nn.ConvTranspose2d(16, 8, 2, 2),
        )
        self.leave = nn.Sequential(conv(16, 8), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        first = self.enter(x)
        return self.leave(torch.cat([first, self.up(self.down(first))], 1))


class Residual(nn.Module):
    """Two blocks with an addition, the second of half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.inner, self.outer = conv(3, 12), conv(12, 12), conv(12, 20, 3, 2)
        self.short, self.deep = nn.Conv2d(12, 20, 1, 2), conv(20, 20)
        self.head = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.enter(x)
        x = functional.relu(x + self.inner(x))
        x = functional.relu(self.short(x) + self.deep(self.outer(x)))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Excited(nn.Module):
    """Depthwise between expansions, channels weighed (MobileNetV3)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.deep = conv(3, 8), nn.Sequential(conv(8, 24, 1), conv(24, 24, 3, 1, 24))
        self.down, self.up = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.leave, self.head = nn.Conv2d(24, 8, 1), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.enter(x)
        deep = self.deep(x)
        share = functional.hardsigmoid(
            self.up(functional.relu(self.down(deep.mean((2, 3), keepdim=True))))
        )
        return self.head((x + self.leave(deep * share)).mean((2, 3)))


class Views(nn.Module):
    """A flattening that names its batch, and fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(3, 8), nn.MaxPool2d(2), conv(8, 12), nn.MaxPool2d(4))
        self.one, self.two = nn.Linear(48, 20), nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.layers(x)
        return self.two(functional.relu(self.one(x.view(x.size(0), -1))))


def torch_networks() -> dict[str, nn.Module]:
    found = networks()
    own = {
        "residual": Residual(),
        "excited": Excited(),
        "views": Views(),
        "hourglass": Hourglass(),
        "lstm": Recurrent(nn.LSTM),
        "gru": Recurrent(nn.GRU),
        "branches": Classifier(
            14, conv(3, 10), nn.Conv2d(10, 14, 3, padding=1, groups=2), nn.ELU()
        ),
    }
    return {**found, **{name: network.eval() for name, network in own.items()}}


def by_torch(network: str, opset: int, free: bool, path: Path, dynamo: bool) -> None:
    sample = (torch.zeros(1, 3, SIDE, SIDE),)
    how: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}}} if free else {}
    if dynamo:
        # the exporter takes a size of one as fixed
        sample = (torch.zeros(2 if free else 1, 3, SIDE, SIDE),)
        how = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if free else {}
    torch.onnx.export(
        torch_networks()[network],
        sample,
        path,
        dynamo=dynamo,
        input_names=["x"],
        opset_version=opset,
        external_data=False,
        **({"verbose": False} if dynamo else {}),
        **how,
    )


def keras_networks() -> dict[str, Callable[[], Any]]:
    from keras import Input, Model, Sequential, layers

    def plain() -> Any:
        return Sequential(
            [
                Input((SIDE, SIDE, 3)),
                layers.Conv2D(10, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(12, 3, activation="relu"),
                layers.Flatten(),
                layers.Dense(20, activation="relu"),
                layers.Dense(5),
            ]
        )

    def separable() -> Any:
        return Sequential(
            [
                Input((SIDE, SIDE, 3)),
                layers.Conv2D(8, 3, 2, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(6),
                layers.DepthwiseConv2D(3, padding="same"),
                layers.BatchNormalization(),
                layers.ReLU(6),
                layers.Conv2D(12, 1),
                layers.GlobalAveragePooling2D(),
                layers.Dense(5),
            ]
        )

    def residual() -> Any:
        x = Input((SIDE, SIDE, 3))
        first = layers.Conv2D(12, 3, padding="same", activation="swish")(x)
        deep = layers.Conv2D(12, 3, padding="same")(layers.Conv2D(8, 3, padding="same")(first))
        up = layers.Conv2DTranspose(6, 2, 2)(layers.Add()([first, deep]))
        return Model(
            x, layers.Conv2D(2, 1)(layers.Concatenate()([up, layers.UpSampling2D()(first)]))
        )

    return {"plain": plain, "separable": separable, "residual": residual}


def by_tf2onnx(network: str, opset: int, free: bool, path: Path) -> None:
    import tensorflow as tf
    import tf2onnx

    model = keras_networks()[network]()
    size = None if free else 1
    call = tf.function(lambda x: model(x, training=False))
    signature = [tf.TensorSpec((size, SIDE, SIDE, 3), tf.float32, "x")]
    tf2onnx.convert.from_function(call, signature, opset=opset, output_path=str(path))


def by_keras(network: str, opset: int, free: bool, path: Path) -> None:
    model = keras_networks()[network]()
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))  # a Sequential one wants to have been called
    model.export(path, format="onnx", verbose=False, opset_version=opset)


def simplified(path: Path) -> None:
    import onnxsim

    model, right = onnxsim.simplify(onnx.load(path))
    assert right
    onnx.save(model, path)


def slimmed(path: Path) -> None:
    import onnxslim

    onnx.save(onnxslim.slim(onnx.load(path)), path)


def with_shapes(path: Path) -> None:
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True), path)


AFTER = {"": None, "onnxsim": simplified, "onnxslim": slimmed, "shapes": with_shapes}
OLD, NEW = partial(by_torch, dynamo=False), partial(by_torch, dynamo=True)
Case = tuple[str, str, Callable[..., None], int, bool, str]
"""Network, exporter, how it exports, opset, whether the batch is free, what changes the file."""

CASES: list[Case] = [
    ("residual", "torch", OLD, 9, False, ""),
    ("residual", "torch", OLD, 13, True, "onnxsim"),
    ("excited", "torch", OLD, 10, False, "shapes"),
    ("excited", "torch", OLD, 17, True, "onnxslim"),
    ("views", "torch", OLD, 9, True, ""),
    ("views", "torch", OLD, 13, False, "onnxsim"),
    ("hourglass", "torch", OLD, 11, False, ""),
    ("hourglass", "torch", OLD, 17, False, "shapes"),
    ("lstm", "torch", OLD, 13, False, ""),
    ("lstm", "torch", OLD, 17, True, ""),
    ("gru", "torch", OLD, 14, False, "onnxsim"),
    ("branches", "torch", OLD, 12, False, ""),
    ("ghost", "torch", OLD, 15, False, "onnxslim"),
    ("cascade", "torch", OLD, 11, False, "shapes"),
    ("partial", "torch", OLD, 16, True, "shapes"),
    ("gated", "torch", OLD, 9, False, "shapes"),
    ("focus", "torch", OLD, 13, False, "onnxsim"),
    ("shuffle", "torch", OLD, 17, False, "onnxsim"),
    ("normalised", "torch", OLD, 13, True, ""),
    ("resolutions", "torch", OLD, 13, False, "onnxsim"),
    ("pyramid", "torch", OLD, 16, False, "onnxslim"),
    ("windows", "torch", OLD, 17, False, "onnxsim"),
    ("tokens", "torch", OLD, 17, True, ""),
    ("residual", "torch dynamo", NEW, 18, True, ""),
    ("excited", "torch dynamo", NEW, 20, False, "onnxslim"),
    ("views", "torch dynamo", NEW, 21, True, ""),
    ("hourglass", "torch dynamo", NEW, 18, False, "shapes"),
    ("lstm", "torch dynamo", NEW, 18, True, ""),
    ("pyramid", "torch dynamo", NEW, 21, False, ""),
    ("partial", "torch dynamo", NEW, 20, True, "onnxsim"),
    ("windows", "torch dynamo", NEW, 18, False, ""),
    ("tokens", "torch dynamo", NEW, 21, True, "shapes"),
    ("plain", "tf2onnx", by_tf2onnx, 9, False, ""),
    ("plain", "tf2onnx", by_tf2onnx, 15, True, "onnxsim"),
    ("separable", "tf2onnx", by_tf2onnx, 13, False, "shapes"),
    ("separable", "tf2onnx", by_tf2onnx, 18, True, ""),
    ("residual", "tf2onnx", by_tf2onnx, 11, False, "onnxsim"),
    ("residual", "tf2onnx", by_tf2onnx, 17, True, "onnxslim"),
    ("plain", "keras export", by_keras, 18, True, ""),
    ("residual", "keras export", by_keras, 15, True, "onnxslim"),
]


def main() -> None:
    chosen = sys.argv[1:]
    rows = stored_rows(TITLE)
    for case in CASES:
        head = row_head(case)
        if not chosen or any(name in "-".join(head) for name in chosen):
            with tempfile.TemporaryDirectory() as text:
                rows[tuple(head)] = [*head, *measure(case, Path(text))]
            print(" | ".join(rows[tuple(head)]), flush=True)
    found = [rows[tuple(row_head(case))] for case in CASES if tuple(row_head(case)) in rows]
    good = sum(row[-1] == "equal" for row in found)
    write_section(
        TITLE,
        HEADER,
        found,
        f"Random weights, {SIDE} pixels, rate 0.4 (attention: 0.2), random samples; ana, prune, "
        "4 updates of finetune --distill (not for LSTM and GRU, which the torch trainer does not "
        "have) and transform as commands. ONNX Runtime runs the finetuned and "
        "the transformed file: largest difference relative to the largest output, and whether "
        "three samples at once give what one at a time give. OpenCV: its difference to ONNX "
        "Runtime on the original and on the transformed file, – where it cannot load one. "
        f"{good} of "
        f"{len(found)} equal (onnx_exports.py)",
    )


def row_head(case: Case) -> list[str]:
    """What tells a row from the others."""
    network, exporter, _, opset, free, after = case
    return [network, exporter, str(opset), "free" if free else "1", after or "–"]


def stored_rows(title: str) -> dict[tuple[str, ...], list[str]]:
    """Rows of an earlier run: those not named on the command line stay."""
    text = RESULTS.read_text(encoding="utf-8")
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return {tuple(row[:5]): row for row in cells[2:]}


def measure(case: Case, folder: Path) -> list[str]:
    """What follows the head of a row."""
    network, _, export, opset, free, after = case
    start = time.perf_counter()
    path = folder / "net.onnx"
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        export(network, opset, free, path)
        change = AFTER[after]
        if change is not None:
            change(path)
    samples = draw(path, 8)
    np.savez(folder / "d.npz", x=samples)
    for step, *options in steps(network, path, folder):
        code, said = command(step, *options, "--workspace", str(folder / "ws"))
        if code:
            last = said.strip().splitlines()[-1] if said.strip() else ""
            taken = f"{time.perf_counter() - start:.0f}"
            return [*["–"] * 5, taken, f"{step}: exit {code}: {last[:200]}"]
    finetuned = newest(folder / "ws", "net.onnx", "transformed")
    small = folder / "ws/transformed/net.onnx"
    groups, removed = counted(path, small, folder)
    feed = draw(path, 3, seed=7)
    masked, compact = (
        [ran(file, feed[i : i + 1]) for i in range(3)] for file in (finetuned, small)
    )
    error = difference(np.concatenate(masked), np.concatenate(compact))
    batch = difference(np.concatenate(compact), ran(small, feed))
    outcome = "equal" if error <= 1e-5 and batch <= 1e-5 else "differs"
    seconds = f"{time.perf_counter() - start:.0f}"
    opencv = f"{in_opencv(path, feed[:1])} → {in_opencv(small, feed[:1])}"
    return [groups, removed, f"{error:.0e}", f"{batch:.0e}", opencv, seconds, outcome]


def steps(network: str, path: Path, folder: Path) -> list[tuple[str, ...]]:
    data = ("--data", str(folder / "d.npz"))
    model = ("--model", str(path))
    metric = ("--metric", "fidelity")
    rate = ("--rate", RATE.get(network, "0.4"), "--multiple", "1")
    updates = ("--distill", "--iterations", "4", "--batch-size", "4")
    tuned = ("finetune", "--train-data", str(folder / "d.npz"), *updates)
    return [
        ("ana", *model, *data, *metric, "--ratios", "0.5"),
        ("prune", *model, *data, *metric, *rate),
        *([] if network in UNTRAINED else [tuned]),
        ("transform",),
    ]


def command(*arguments: str) -> tuple[int, str]:
    """Exit code and what was said, of a command in this process."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = run(list(arguments))
    return code, said.getvalue()


def counted(path: Path, small: Path, folder: Path) -> tuple[str, str]:
    """Groups of the original, share of its MACs that went."""
    import json

    found = []
    for file in (path, small):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            run(["stat", "--model", str(file), "--json"])
        found.append(json.loads(out.getvalue()))
    return str(len(found[0]["groups"])), f"{1 - found[1]['macs'] / found[0]['macs']:.0%}"


def newest(folder: Path, name: str, without: str) -> Path:
    files = [file for file in folder.rglob(name) if without not in file.parts]
    return max(files, key=lambda file: file.stat().st_mtime_ns)


def draw(path: Path, count: int, seed: int = 0) -> Any:
    sizes = [dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(seed).standard_normal((count, *sizes[1:])).astype(np.float32)


def ran(path: Path, feed: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: feed})[0]


def difference(first: Any, second: Any) -> float:
    return float(np.abs(first - second).max() / np.abs(first).max())


OPENCV = """
import sys
import cv2, numpy as np
net = cv2.dnn.readNetFromONNX(sys.argv[1])
net.setInput(np.load(sys.argv[2]))
np.save(sys.argv[2], net.forward())
"""
"""In a process of its own: OpenCV 4.13 crashes on some files."""


def in_opencv(path: Path, feed: Any) -> str:
    """OpenCV's difference to ONNX Runtime on one file, – where it cannot load or run it."""
    numbers = path.with_suffix(".npy")
    np.save(numbers, feed)
    command = [sys.executable, "-c", OPENCV, str(path), str(numbers)]
    if subprocess.run(command, capture_output=True).returncode:
        return "–"
    wanted = ran(path, feed)
    return f"{difference(wanted, np.load(numbers).reshape(wanted.shape)):.0e}"


@contextlib.contextmanager
def quiet() -> Any:
    """Exporters talk on both streams, below Python too."""
    kept = [os.dup(1), os.dup(2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)


if __name__ == "__main__":
    main()
