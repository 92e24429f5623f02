"""Budgets of `prune`, asked and got in the files that come out; time saved by channel multiples.

    python benchmarks/budgets.py [reached] [multiples]

Shares of MACs and parameters and the bytes are those of the saved files, loaded again; times are
medians of runs in turns; losses are those on test samples that neither chose the plan nor checked
it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from networks import SHARED, cifar10, mnist, normalised, read
from results import write_section

import prunus
from prunus.plugin import ArrayDataset, Dataset, Network, PrunusError, Session, random_inputs

MODELS = SHARED / "models"
INPUTS = 256
"""Unlabelled training samples that plans are chosen and compensated with."""

HELD = 4000
"""Test samples that `max_loss` may see; the others tell whether its promise holds."""


@attrs.frozen
class Case:
    """A network and what it is pruned with.

    Attributes:
        name: As shown.
        network: The network.
        inputs: Some training inputs.
        held, rest: Labelled samples for `max_loss`, and further ones; ``None`` without any.
        size: A size of the weights file to ask for.
    """

    name: str
    network: Network
    inputs: Mapping[str, Any] | None
    held: Dataset | None
    rest: Dataset | None
    size: str


def lenet() -> Case:
    """Caffe's LeNet."""
    folder = MODELS / "caffe/lenet"
    network = read(folder / "lenet.prototxt", folder / "lenet_iter_10000.caffemodel")
    scale = np.full(1, 0.00390625, np.float32)
    train, test = mnist("train"), mnist()

    def part(images: Any, labels: Any) -> Dataset:
        return ArrayDataset("data", images, labels, scale=scale)

    inputs = dict(part(*train).read(np.arange(INPUTS), None).inputs)
    held, rest = (part(*(a[s] for a in test)) for s in (slice(HELD), slice(HELD, None)))
    return Case("LeNet (Caffe)", network, inputs, held, rest, "500kB")


def resnet20() -> Case:
    """ResNet-20 of CIFAR-10."""
    network = read(MODELS / "onnx/resnet20_cifar10.onnx")
    train, test = cifar10("train_batch_1"), cifar10()
    inputs = dict(normalised(network, *train).read(np.arange(INPUTS), None).inputs)
    held, rest = (
        normalised(network, *(a[s] for a in test)) for s in (slice(HELD), slice(HELD, None))
    )
    return Case("ResNet-20 (ONNX)", network, inputs, held, rest, "600kB")


def resnet8() -> Case:
    """ResNet-8 of CIFAR-10."""
    network = read(MODELS / "tensorflow/resnet8_cifar10/pretrainedResnet.h5")
    name = network.model.graph.inputs[0].name or ""
    train, test = (  # pixels as they are, channels last
        (np.moveaxis(images, 1, -1), labels.reshape(-1))
        for images, labels in (cifar10("train_batch_1"), cifar10())
    )
    inputs = {name: train[0][:INPUTS].astype(np.float32)}
    held, rest = (
        ArrayDataset(name, *(a[s] for a in test)) for s in (slice(HELD), slice(HELD, None))
    )
    return Case("ResNet-8 (Keras)", network, inputs, held, rest, "250kB")


def yolo_fastest() -> Case:
    """yolo-fastest of COCO."""
    folder = MODELS / "darknet/yolo-fastest-1.0"
    network = read(folder / "yolo-fastest.cfg", folder / "yolo-fastest.weights")
    return Case("yolo-fastest 1.0 (Darknet)", network, None, None, None, "1MB")


def reached(case: Case) -> list[tuple[str, ...]]:
    """A row for every budget."""
    asked: list[dict[str, Any]] = [
        {"rate": 0.5},
        {"params": 0.3},
        {"bytes": case.size},
        {"latency": 0.3},
        {"rate": 0.3, "params": 0.5},
    ]
    if case.held is not None:
        asked.append({"max_loss": 0.01})
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.json"
        return [_row(case, budget, times) for budget in asked]


def _row(case: Case, budget: dict[str, Any], times: Path) -> tuple[str, ...]:
    started = time.process_time()
    bound = "max_loss" in budget
    more: dict[str, Any] = (
        {"data": case.inputs, "held_out": case.held, "metric": "top-1"} if bound else {}
    )
    try:
        plan = prunus.plan(case.network, **budget, times=times, allocation="uniform", **more)
    except PrunusError as error:
        return (case.name, _said(budget), str(error), "", "", "", "", "")
    masked = prunus.prune(case.network, plan, data=case.inputs if bound else None)
    small = prunus.compact(masked)
    seconds = time.process_time() - started
    whole = prunus.stat(case.network)
    with tempfile.TemporaryDirectory() as folder:
        written = small.save(folder)
        again = prunus.load(written.model, written.weights, options=case.network.options)
        found = prunus.stat(again)
        size = (written.weights or written.model).stat().st_size
        saved = saving(case.network, again)
    loss = ""
    if bound and case.rest is not None:
        values = [
            prunus.evaluate(network, case.rest, metric="top-1").value
            for network in (case.network, masked)
        ]
        loss = f"{values[0] - values[1]:.4f}"
    return (
        case.name,
        _said(budget),
        f"{1 - found.macs / whole.macs:.4f}",
        f"{1 - found.params / whole.params:.4f}",
        f"{size:,}",
        f"{saved:.3f}",
        loss,
        f"{seconds:.0f}",
    )


def _said(budget: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', '-')} {value}" for name, value in budget.items())


def saving(*networks: Network) -> float:
    """Share of time that the second network saves."""
    first, second = medians([network.model for network in networks])
    return 1 - second / first


def medians(models: list[Any], rounds: int = 60) -> list[float]:
    """Milliseconds of one sample in each graph, runs in turns."""
    sessions = [Session(model) for model in models]
    samples = [random_inputs(model, 1, 0) for model in models]
    seen = []
    for turn in range(rounds + 5):
        times = []
        for session, sample in zip(sessions, samples, strict=True):
            start = time.perf_counter()
            session.run(sample)
            times.append(time.perf_counter() - start)
        if turn >= 5:
            seen.append(times)
    return [float(ms) for ms in np.median(seen, axis=0) * 1e3]


def multiples() -> list[tuple[str, ...]]:
    """Time saved at half the MACs by each rounding of channels."""
    zoo = MODELS / "zoo/caffe"
    files = {
        "MobileNet": zoo / "mobilenet/mobilenet_deploy.prototxt",
        "SqueezeNet 1.1": zoo / "squeezenet_v1.1/deploy.prototxt",
        "ResNet-50": zoo / "resnet/ResNet-50-deploy.prototxt",
    }
    asked = (2, 4, 8, 16, "auto")
    rows = []
    for name, file in files.items():
        network = read(file, options={"weights": "random"})
        models, rates = [network.model], []
        for multiple in asked:
            plan = prunus.plan(network, rate=0.5, multiple=multiple)
            rates.append(plan.rate)
            models.append(prunus.compact(prunus.prune(network, plan)).network.model)
        whole, *found = medians(models)
        cells = [
            f"{1 - ms / whole:.2f} ({rate:.4f})" for ms, rate in zip(found, rates, strict=True)
        ]
        rows.append((name, f"{whole:.1f}", *cells))
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Both tables, or those that are named."""
    wanted = sys.argv[1:] or ["reached", "multiples"]
    if "multiples" in wanted:
        write_section(
            "Time saved at half the MACs, by channel multiple (budgets.py)",
            ("network", "ms", "2", "4", "8", "16", "auto"),
            multiples(),
            "ONNX Runtime, one sample, random weights, equal shares, rate 0.5 (MACs removed in "
            "brackets); medians of 60 runs in turns on a shared machine with AVX-512.",
        )
    if "reached" in wanted:
        makers: list[Callable[[], Case]] = [lenet, resnet20, resnet8, yolo_fastest]
        rows: list[tuple[str, ...]] = []
        for make in makers:
            for row in reached(make()):
                print(row, flush=True)
                rows.append(row)
        write_section(
            "Budgets, asked and got (budgets.py)",
            (
                "network", "asked", "MACs removed", "parameters removed", "bytes of weights",
                "time saved", "loss on unseen test samples", "seconds",
            ),
            rows,
            "Equal shares; without data by l1, with `max-loss` by the default criterion and "
            f"compensated on {INPUTS} unlabelled training images, the loss in top-1 on half of "
            f"{HELD:,} test images, checked on the other half; the last column of losses is of the "
            "remaining 6,000. Counts and bytes are of the saved files, loaded again.",
        )  # fmt: skip


if __name__ == "__main__":
    main()
