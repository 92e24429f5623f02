"""Optimal Brain Damage on a network of 2,600 parameters: LeCun, Denker, Solla (1990), figures 1, 2.

The network of the paper as far as it is described (LeCun et al., Handwritten digit recognition with
a back-propagation network, NIPS 1989), on MNIST reduced to 16x16 pixels, trained by squared error.
Weights go by magnitude and by second derivatives, one threshold for the whole network, without and
with retraining. Writes the figure of the page on storage and a table.
Usage: OMP_NUM_THREADS=1 python benchmarks/optimal_brain_damage.py
"""

from __future__ import annotations

from pathlib import Path

import attrs
import matplotlib
import numpy as np
import onnx
from networks import mnist
from onnx import TensorProto, helper, numpy_helper
from results import write_section

import prunus
from prunus import MaskedNetwork, Network
from prunus.plugin import ArrayDataset, LearningRate, Loss, Recipe, Session

matplotlib.use("Agg")
from matplotlib import pyplot

RATES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TRAINED, RETRAINED = 6000, 600
"""Updates of the whole network, and after each removal."""

FIRST_RATE, SECOND_RATE = 0.02, 0.005
"""Learning rates of both; they fall to zero."""

SAMPLES, JUDGED = 500, 10_000
"""Training images that second derivatives are averaged over, and that squared error is."""

MAPS, PIXELS = {"c1": (4, 1, 5, 5), "c2": (12, 2, 5, 5), "f1": (10, 192)}, 16
"""Shapes of the weights; each half of the second maps reads two of the first."""

WEIGHTS = sum(int(np.prod(shape)) for shape in MAPS.values())
BIASES = sum(shape[0] for shape in MAPS.values())

FIGURE = Path(__file__).parents[1] / "docs/explanation/optimal-brain-damage.png"

TEXT = " ".join(
    """Test error / mean squared error of {judged:,} training images, of a network of {weights:,}
weights and {biases} biases on MNIST of 16x16 pixels; weights are removed by one threshold for the
whole network. At once: from the trained network, without retraining. Retrained: each row starts
from the row before, and is trained for {updates:,} updates of 64 images. Second derivatives of
{samples} training images. Squared error: half the sum over the ten outputs.""".split()
)


@attrs.frozen(eq=False)
class Digits:
    """Images ``(N, 1, 16, 16)`` in [0, 1], their classes, and the outputs wanted, 1 and -1."""

    images: np.ndarray
    classes: np.ndarray

    @property
    def wanted(self) -> np.ndarray:
        """``(N, 10)``."""
        return (2 * np.eye(10)[self.classes] - 1).astype(np.float32)


@attrs.frozen
class Point:
    """Test error in per cent, and squared error of training images."""

    error: float
    loss: float


def reduced(part: str) -> Digits:
    """Digits of 16x16 pixels: padded to 32x32, each four pixels averaged."""
    images, labels = mnist(part)
    padded = np.pad(images.astype(np.float32), ((0, 0), (0, 0), (2, 2), (2, 2)))
    return Digits(padded.reshape(-1, 1, PIXELS, 2, PIXELS, 2).mean((3, 5)) / 255, labels)


def small_net(seed: int = 0) -> Network:
    """Two convolutions of 5x5 with averages behind, one product; f(z) = 1.7159 tanh(2 z / 3)."""
    draw = np.random.default_rng(seed)
    weights = [
        numpy_helper.from_array(np.float32(2 / 3), "slope"),
        numpy_helper.from_array(np.float32(1.7159), "height"),
    ]
    for name, shape in MAPS.items():
        bound = np.sqrt(3 / np.prod(shape[1:]))
        values = draw.uniform(-bound, bound, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"{name}.w"))
        weights.append(numpy_helper.from_array(np.zeros(shape[0], np.float32), f"{name}.b"))
    node = helper.make_node
    pooled = {"kernel_shape": [2, 2], "strides": [2, 2]}

    def squashed(name: str, source: str, target: str) -> list[onnx.NodeProto]:
        return [
            node("Mul", [source, "slope"], [f"{name}.s"], f"{name}.s"),
            node("Tanh", [f"{name}.s"], [f"{name}.t"], f"{name}.t"),
            node("Mul", [f"{name}.t", "height"], [target], f"{name}.h"),
        ]

    nodes = [
        node("Conv", ["x", "c1.w", "c1.b"], ["c1"], "c1", pads=[6, 6, 6, 6]),
        node("AveragePool", ["c1"], ["p1"], "p1", **pooled),
        *squashed("a1", "p1", "h1"),
        node("Conv", ["h1", "c2.w", "c2.b"], ["c2"], "c2", group=2),
        node("AveragePool", ["c2"], ["p2"], "p2", **pooled),
        *squashed("a2", "p2", "h2"),
        node("Flatten", ["h2"], ["flat"], "flat"),
        node("Gemm", ["flat", "f1.w", "f1.b"], ["f1"], "f1", transB=1),
        *squashed("a3", "f1", "y"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "small",
        [value("x", TensorProto.FLOAT, ["N", 1, PIXELS, PIXELS])],
        [value("y", TensorProto.FLOAT, ["N", 10])], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    network = prunus.load(model)
    recipe = Recipe(
        learning_rate=LearningRate("cosine", FIRST_RATE), losses=(Loss("euclidean", ("y",)),)
    )
    return attrs.evolve(network, task=attrs.evolve(network.task, recipe=recipe))


def tuned(masked: MaskedNetwork, train: Digits, updates: int, rate: float) -> Network:
    """Trained with the masks held."""
    return prunus.finetune(
        masked, ArrayDataset("x", train.images, train.wanted), iterations=updates, batch_size=64,
        learning_rate=rate, options={"threads": "1"},
    ).network  # fmt: skip


def measured(network: Network, train: Digits, test: Digits) -> Point:
    """Of the first training images, and of all test images."""
    session = Session(network.model, ["y"])
    known, unseen = (
        session.run({"x": images})["y"].copy() for images in (train.images[:JUDGED], test.images)
    )
    error = float(np.mean(unseen.argmax(1) != test.classes))
    squared = np.square(known - train.wanted[:JUDGED], dtype=np.float64).sum(1) / 2
    return Point(100 * error, float(squared.mean()))


def removed(network: Network, rate: float, criterion: str, samples: np.ndarray) -> MaskedNetwork:
    """Weights below one threshold for the whole network are zero; the others are as they were."""
    plan = prunus.plan(
        network, rate=rate, granularity="weight", criterion=criterion, allocation="global",
        data=samples,
    )  # fmt: skip
    return prunus.prune(network, plan)


Curves = dict[str, list[Point]]
"""Criterion, and ``at once`` or ``retrained`` -> a point a rate."""


def whole(train: Digits) -> Network:
    """The trained network: nothing is removed."""
    net = small_net()
    masked = prunus.prune(net, prunus.plan(net, rate=0.0, granularity="weight"))
    return tuned(masked, train, TRAINED, FIRST_RATE)


def curves_of(net: Network, criterion: str, train: Digits, test: Digits) -> Curves:
    """Both curves of a criterion."""
    samples, current = train.images[:SAMPLES], net
    at_once, retrained = [], []
    for rate in RATES:
        at_once.append(measured(removed(net, rate, criterion, samples).network, train, test))
        masked = removed(current, rate, criterion, samples)
        current = tuned(masked, train, RETRAINED, SECOND_RATE)
        retrained.append(measured(current, train, test))
        print(criterion, rate, at_once[-1], retrained[-1], flush=True)
    return {f"{criterion}, at once": at_once, f"{criterion}, retrained": retrained}


def written(curves: Curves, before: Point) -> None:
    """The figure and the table."""
    draw_curves(curves, before)
    rows = [("0 %", f"{parameters_left(0):,}", *(cell(before) for _ in curves))]
    for index, rate in enumerate(RATES):
        cells = (cell(points[index]) for points in curves.values())
        rows.append((f"{rate:.0%}", f"{parameters_left(rate):,}", *cells))
    header = ("removed", "parameters", *curves)
    text = TEXT.format(
        weights=WEIGHTS, biases=BIASES, updates=RETRAINED, samples=SAMPLES, judged=JUDGED
    )
    write_section(
        "Optimal Brain Damage on 16x16 digits (optimal_brain_damage.py)", header, rows, text
    )


def parameters_left(rate: float) -> int:
    """Weights that stay, and all biases."""
    return round((1 - rate) * WEIGHTS) + BIASES


def main() -> None:
    """Train, remove, measure, draw."""
    train, test = reduced("train"), reduced("t10k")
    net = whole(train)
    before = measured(net, train, test)
    print(before, flush=True)
    plain, second = (curves_of(net, name, train, test) for name in ("magnitude", "obd"))
    written(plain | second, before)


def cell(point: Point) -> str:
    """Both numbers of a point."""
    return f"{point.error:.2f} % / {point.loss:.3f}"


def draw_curves(curves: Curves, before: Point) -> None:
    """Squared error against parameters that are left, as in the paper's figures, and test error."""
    left = [parameters_left(rate) for rate in (0, *RATES)]
    figure, sides = pyplot.subplots(1, 2, figsize=(10, 4.2))
    for label, points in curves.items():
        colour, mark = ("C0", "s") if label.startswith("obd") else ("C1", "o")
        style = "--" if label.endswith("retrained") else "-"
        for axes, kind in zip(sides, ("loss", "error"), strict=True):
            values = [getattr(point, kind) for point in (before, *points)]
            axes.plot(left, values, style, color=colour, marker=mark, markersize=4, label=label)
    names = ("squared error, training images", "test error (%)")
    ticks = ((0.3, 0.5, 1, 2, 3), (5, 10, 20, 50, 100))
    for axes, name, numbers in zip(sides, names, ticks, strict=True):
        axes.set(xlabel="parameters left", ylabel=name, yscale="log", xlim=(left[0] + 50, 200))
        axes.set_yticks(numbers, [f"{number:g}" for number in numbers])
        axes.tick_params(which="minor", labelleft=False)
        axes.set_ylim(numbers[0] * 0.95, numbers[-1])
        axes.grid(alpha=0.3)
    sides[0].legend()
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
