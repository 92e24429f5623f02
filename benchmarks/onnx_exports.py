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
from onnx_exporters import (
    SIDE,
    by_keras,
    by_tf2onnx,
    by_torch,
    quiet,
    simplified,
    slimmed,
    with_shapes,
)
from results import RESULTS, write_section

from prunus.plugin import run

TITLE = "ONNX files of several exporters"
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


if __name__ == "__main__":
    main()
