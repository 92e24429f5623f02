"""Accuracy right after `prune` of detectors and small classifiers: no label, no gradient.

    python benchmarks/no_training_tasks.py [NETWORK@RATE ...]

Three plans of the same rate: folded without samples in equal shares, compensated in equal shares,
and the defaults. The shared detectors are measured on tinycoco's 38 pictures in two halves: each
half by networks that were pruned with the other half and Darknet's sample pictures, and all
detections count together. Rows are kept under build/ and made again where they are named.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from darknet_bccd import BUILD as BCCD, DATA as SMEARS
from darknet_images import VOC as VOC_NAMES, coco_names, lay_out, listed, samples
from networks import ROOT, SHARED, cifar10, mnist, read
from numpy.typing import NDArray
from results import write_section

import prunus
from prunus.plugin import Array, Batch, Metric, Network, Session, Top
from prunus_darknet.boxes.average_precision import VOC, MeanAveragePrecision
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.data import open_data

BUILD = ROOT / "build/no_training_tasks"
DARKNET = SHARED / "models/darknet"
TENSORFLOW = SHARED / "models/tensorflow"
INPUTS = 4096
"""Most inputs to prune with."""

WAYS: dict[str, dict[str, str]] = {
    "folded": {"allocation": "uniform"},
    "equal shares": {"allocation": "uniform"},
    "defaults": {},
}
"""Options of a plan; the first is made and carried out without samples."""

HEADER = ("network", "rate", "inputs", "whole", *WAYS, "seconds of the defaults")


@attrs.frozen(eq=False)
class Half:
    """Samples to prune with, and others to measure on."""

    inputs: Mapping[str, Array]
    test: Batch


@attrs.frozen(eq=False)
class Task:
    """A network, what it is measured by, and its samples; all parts of the test count together."""

    network: Network
    metric: Metric
    halves: Sequence[Half]

    def value(self, networks: Sequence[Network]) -> float:
        """The metric of one network a half."""
        seen = [
            self.metric.observe(part, {}, labels)
            for network, half in zip(networks, self.halves, strict=True)
            for part, labels in _outputs(network, half.test)
        ]
        return self.metric.result(seen).value


def _outputs(network: Network, test: Batch) -> list[tuple[Mapping[str, Array], Any]]:
    session = Session(network.model)
    return [
        (session.run(_rows(test.inputs, slice(start, start + 64))), test.labels[start : start + 64])
        for start in range(0, len(test), 64)
    ]


def _rows(inputs: Mapping[str, Array], rows: slice | NDArray[np.int64]) -> dict[str, Array]:
    return {name: array[rows] for name, array in inputs.items()}


def shared_detector(folder: str, names: Sequence[str]) -> Task:
    """A shared detector on tinycoco."""
    (cfg,), (weights,) = (DARKNET / folder).glob("*.cfg"), (DARKNET / folder).glob("*.weights")
    network = read(cfg, weights)
    with tempfile.TemporaryDirectory() as name:
        space = Path(name)
        labelled, _ = lay_out(space, names)
        (space / "others").mkdir()
        for path in samples():
            (space / "others" / path.name).symlink_to(path)
        pictures = _whole(labelled, network)
        others = _whole(listed(space, "others", len(names)), network).inputs
    order = np.random.default_rng(0).permutation(len(pictures))
    halves = []
    for part in (0, 1):
        fitted, tested = (np.sort(order[first::2]) for first in (1 - part, part))
        own = _rows(pictures.inputs, fitted)
        halves.append(
            Half(
                {name: np.concatenate([own[name], others[name]]) for name in own},
                Batch(_rows(pictures.inputs, tested), [pictures.labels[n] for n in tested]),
            )
        )
    return Task(network, MeanAveragePrecision(heads_of(network), VOC), halves)


def smears() -> Task:
    """The detector of `darknet_bccd.py` on its test pictures; pruned with its training pictures."""
    network = read(BCCD / "bccd.cfg", BCCD / "fitted.weights")
    description = SMEARS / "bccd.data"
    half = Half(_whole(description, network, training=True).inputs, _whole(description, network))
    return Task(network, MeanAveragePrecision(heads_of(network), VOC), [half])


def _whole(description: Path, network: Network, *, training: bool = False) -> Batch:
    data = open_data(str(description), network, training=training)
    assert data is not None
    return data.read(np.arange(len(data)), None)


def keras_resnet() -> Task:
    """The shared Keras ResNet-8: raw pixels."""
    return classifier(
        read(TENSORFLOW / "resnet8_cifar10/pretrainedResnet.h5"),
        *(_numbers(*cifar10(part)) for part in ("train_batch_1", "test")),
    )


def lenet_graph() -> Task:
    """The shared LeNet as a graph of TensorFlow 1: digits in a frame of zeros."""
    folder = TENSORFLOW / "lenet-mnist-tf1"
    options = {
        "input_nodes": "Placeholder",
        "input_node_shapes": "1,32,32,1",
        "output_nodes": "add_9",
    }
    network = read(folder / "lenet_graph.pbtxt", folder / "lenet", options)
    framed = [
        (np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))) / 255, labels)
        for images, labels in (mnist("train"), mnist("t10k"))
    ]
    return classifier(network, *(_numbers(*part) for part in framed))


Samples = tuple[Array, NDArray[np.int64]]


def _numbers(images: NDArray[Any], labels: NDArray[np.int64]) -> Samples:
    return images.astype(np.float32), labels.reshape(-1)


def classifier(network: Network, train: Samples, test: Samples) -> Task:
    """Pruned with some of the training images, measured on all test images."""
    value = network.model.graph.inputs[0]
    last = len(value.shape or ()) == 4 and value.shape is not None and value.shape[3] in (1, 3)
    chosen = np.linspace(0, len(train[0]) - 1, INPUTS).astype(np.int64)
    fitted, tested = (
        {value.name or "": np.moveaxis(images, 1, -1) if last else images}
        for images in (train[0][chosen], test[0])
    )
    return Task(network, Top(1), [Half(fitted, Batch(tested, test[1]))])


TASKS: dict[str, tuple[Callable[[], Task], tuple[float, ...]]] = {
    "yolo-fastest-1.0": (
        lambda: shared_detector("yolo-fastest-1.0", coco_names()),
        (0.1, 0.2, 0.3, 0.5),
    ),
    "mbv2-yolo-fastest-voc": (
        lambda: shared_detector("mbv2-yolo-fastest-voc", VOC_NAMES),
        (0.1, 0.2, 0.3, 0.5),
    ),
    "yololite-trial3": (
        lambda: shared_detector("yololite-trial3", VOC_NAMES),
        (0.1, 0.2, 0.3, 0.5),
    ),
    "yolo-fastest on BCCD": (smears, (0.5,)),
    "Keras ResNet-8": (keras_resnet, (0.5,)),
    "LeNet graph": (lenet_graph, (0.6,)),
}
"""Network -> its task and rates."""


def row(name: str, rate: float) -> list[str]:
    """Values of the three plans at a rate, and processor seconds of the last."""
    task = TASKS[name][0]()
    seconds, values = 0.0, [task.value([task.network] * len(task.halves))]
    for way, options in WAYS.items():
        start = time.process_time()
        masked = [
            _pruned(task.network, rate, None if way == "folded" else half.inputs, options)
            for half in task.halves
        ]
        seconds = time.process_time() - start
        values.append(task.value(masked))
        print(name, rate, way, values[-1], f"{seconds:.0f} s", flush=True)
    inputs = {str(len(next(iter(half.inputs.values())))) for half in task.halves}
    shown = (f"{value:.4f}" for value in values)
    return [name, f"{rate:g}", "/".join(sorted(inputs)), *shown, f"{seconds:.0f}"]


def _pruned(
    network: Network, rate: float, data: Mapping[str, Array] | None, options: Mapping[str, str]
) -> Network:
    plan = prunus.plan(network, rate=rate, data=data, **options)
    return prunus.prune(network, plan, data=data).network


def main() -> None:
    """The rows that are named or missing, and the table of all."""
    BUILD.mkdir(parents=True, exist_ok=True)
    wanted = {
        f"{name}@{rate:g}": (name, rate) for name, (_, rates) in TASKS.items() for rate in rates
    }
    for key in sys.argv[1:] or [k for k in wanted if not (BUILD / f"{k}.json").exists()]:
        (BUILD / f"{key}.json").write_text(json.dumps(row(*wanted[key])))
    table([BUILD / f"{key}.json" for key in wanted])


def table(files: Sequence[Path]) -> None:
    """Write the rows that were made so far."""
    rows = [json.loads(path.read_text()) for path in files if path.exists()]
    below = [f"{row[0]} at {row[1]}" for row in rows if float(row[6]) < float(row[5])]
    write_section(
        "Detectors and small classifiers without training (no_training_tasks.py)",
        HEADER,
        rows,
        "Right after `prune`: no label, no gradient. Mean average precision (VOC, 0.5) of "
        "detectors, top-1 of classifiers. The shared detectors are measured on tinycoco's 38 "
        "pictures in two halves, each by networks pruned with the other half and 7 of Darknet's "
        "sample pictures; the others on their test sets, pruned with training images. Processor "
        "seconds of plan and compensation by the defaults, of both halves together. Defaults "
        f"below equal shares: {', '.join(below) or 'none'}.",
    )


if __name__ == "__main__":
    main()
