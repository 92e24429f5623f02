"""Analysis `fast` beside `exact` and a plain sweep: work, time, and the plans that come of it.

    python benchmarks/ana_fast.py [costs] [decisions [RATE ...] [ALLOCATION ...] [exact] [fast]]

Costs: ResNet-32 on 1,000 CIFAR-10 training images, yolo-fastest-1.0 on tinycoco's 38 pictures, both
without labels. The sweep runs the whole network on all samples once for every group and ratio: its
MACs are counted exactly, its seconds are those of three such runs (first, middle and last group),
scaled. MACs of `fast` are those of every graph that it ran, and of the sums of products.

Decisions: plans by the curves of both analyses, compensated with 256 training images, top-1 on all
10,000 test images. What is measured is kept in build/ana_fast and not measured again.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from ana_exact import RATIOS, macs_of
from darknet_images import coco_names, lay_out
from networks import ROOT, SHARED, cifar10, normalised, read
from results import write_section

import prunus
from prunus.analysis.analysis import Analysis
from prunus.analysis.suffix import insert_masks, keep_tensor, mask_input, offset_input
from prunus.evaluation.agreement import agreement_of
from prunus.graph.macs import layer_macs
from prunus.methods import consumer_fits
from prunus.methods.l1 import prunus_rank
from prunus.plugin import Curve, Dataset, Evaluator, Journal, Network, Point, Session, find_groups
from prunus.recovery.moments import Moments
from prunus.task import Measurement
from prunus_darknet.data import open_data

BUILD = ROOT / "build/ana_fast"
RATES = (0.3, 0.5, 0.7)
INPUTS = 256
"""Training images that plans are made and compensated with."""

WAYS = (
    ("equal shares", "uniform", None),
    ("sensitivity", "sensitivity", "exact"),
    ("sensitivity", "sensitivity", "fast"),
    ("search", "search", "exact"),
    ("search", "search", "fast"),
)
"""Column, allocation and whose curves it is given. `search` is the default with samples."""


def resnet32() -> tuple[Network, Dataset]:
    """ResNet-32 and training images without labels."""
    network = read(SHARED / "models/onnx/resnet32_cifar10.onnx")
    images, _ = cifar10("train_batch_1")
    return network, normalised(network, images[:1000], None)  # type: ignore[arg-type]


def yolo_fastest() -> tuple[Network, Dataset]:
    """The detector and tinycoco's pictures; agreement reads no labels."""
    folder = SHARED / "models/darknet/yolo-fastest-1.0"
    network = read(folder / "yolo-fastest.cfg", folder / "yolo-fastest.weights")
    shutil.rmtree(BUILD / "pictures", ignore_errors=True)
    labelled, _ = lay_out(BUILD / "pictures", coco_names())
    data = open_data(str(labelled), network, training=False)
    assert data is not None
    return network, data


def analysis_of(network: Network, data: Dataset) -> Analysis:
    """The question that all ways answer."""
    grouping, metric = find_groups(network), agreement_of(network)
    assert metric is not None
    scores = {g.name: prunus_rank("l1", network, g, None, 0) for g in grouping.groups}
    evaluator = Evaluator(network, data, metric)
    return Analysis(grouping, evaluator, scores, RATIOS, Journal(None, {}), {}, lambda *_: None)


def seconds_of_a_run(network: Network, analysis: Analysis, number: int) -> float:
    """Processor seconds of one run of the sweep: a group masked, all samples, the metric."""
    group = analysis.grouping.groups[number]
    model, masked, _ = insert_masks(network.model, analysis.grouping, group)
    _, keep = analysis.trials(group)[-1]
    feeds = {}
    for value in masked:
        feeds[mask_input(value)] = keep_tensor(analysis.grouping, group, value, keep)
        feeds[offset_input(value)] = np.zeros_like(feeds[mask_input(value)])
    engine, evaluator = Session(model), analysis.evaluator
    references = evaluator.references
    start = time.process_time()
    seen = [
        evaluator.metric.observe(engine.run({**batch.inputs, **feeds}), reference, batch.labels)
        for batch, reference in zip(evaluator.batches(), references, strict=True)
    ]
    evaluator.metric.result(seen)
    return time.process_time() - start


@contextmanager
def counted(network: Network) -> Iterator[Callable[[], float]]:
    """Count the MACs of every graph that runs and of sums of products, until the block ends."""
    macs = layer_macs(network.model, find_groups(network).labelling.dims)
    (fed, *_) = (value.name or "" for value in network.model.graph.inputs)
    spent = [0.0]
    begin, hold, of, add = Session.__init__, Session.hold, Moments.of, consumer_fits._Sums.add

    def counting_begin(self: Session, *given: Any, **more: Any) -> None:
        begin(self, *given, **more)
        self.macs = sum(macs.get(name, 0) for name in self._operators)  # type: ignore[attr-defined]

    def counting_hold(self: Session, inputs: Any) -> Any:
        spent[0] += self.macs * len(inputs[fed])  # type: ignore[attr-defined]
        return hold(self, inputs)

    def counting_of(features: Any, missing: Any, weights: Any = None) -> Moments:
        spent[0] += features.size * (features.shape[1] + missing.shape[1])
        return of(features, missing, weights)

    def counting_add(self: Any, rows: Any, weights: Any) -> None:
        spent[0] += rows.size * rows.shape[1]
        add(self, rows, weights)

    Session.__init__, Session.hold = counting_begin, counting_hold  # type: ignore[assignment,method-assign]
    Moments.of, consumer_fits._Sums.add = staticmethod(counting_of), counting_add  # type: ignore[method-assign]
    try:
        yield lambda: spent[0]
    finally:
        Session.__init__, Session.hold = begin, hold  # type: ignore[method-assign]
        Moments.of, consumer_fits._Sums.add = staticmethod(of), add  # type: ignore[method-assign]


def costs(name: str, network: Network, data: Dataset) -> tuple[str, ...]:
    """One row: work and time of the sweep, of `exact` (work only) and of `fast`."""
    analysis = analysis_of(network, data)
    groups = analysis.grouping.groups
    trials = sum(len(analysis.trials(group)) for group in groups)
    runs = [seconds_of_a_run(network, analysis, len(groups) // 2)]
    with counted(network) as spent:
        start = time.process_time()
        prunus.analyze(network, data, metric="agreement", analysis="fast")
        seconds, fast = time.process_time() - start, spent()
    runs += [seconds_of_a_run(network, analysis, number) for number in (0, len(groups) - 1)]
    plain, exact = (count * len(data) for count in macs_of(network, analysis))
    swept = float(np.mean(runs)) * trials
    return (
        name,
        f"{len(groups)} ({trials} trials)",
        str(len(data)),
        *(f"{work:.3g}" for work in (plain, exact, fast)),
        f"{plain / fast:.1f}",
        f"{swept:.0f}",
        f"{seconds:.1f}",
        f"{swept / seconds:.1f}",
    )


def curves(network: Network, data: Dataset, analysis: str) -> prunus.Sensitivity:
    """Measured curves, kept."""
    file = BUILD / f"{analysis}.json"
    if not file.exists():
        found = prunus.analyze(network, data, analysis=analysis)
        file.write_text(json.dumps(found.to_json()))
    stored = json.loads(file.read_text())
    found = [
        Curve(one["group"], one["size"], tuple(Point(**point) for point in one["points"]))
        for one in stored["curves"]
    ]
    return prunus.Sensitivity(
        stored["metric"],
        stored["higher_is_better"],
        Measurement(**stored["baseline"]),
        tuple(found),
        stored["key"],
    )


def decisions(rates: tuple[float, ...], ways: tuple[tuple[str, str, str | None], ...]) -> None:
    """Measure what is asked for and not measured yet, and write the table of what is."""
    network, data = resnet32()
    images, labels = cifar10()
    test = normalised(network, images, labels)
    more = normalised(network, *cifar10("train_batch_1"))
    inputs = dict(more.read(np.arange(1000, 1000 + INPUTS), None).inputs)
    rows = []
    for rate in RATES:
        cells = [
            _cell(network, data, inputs, test, rate, way, rate in rates and way in ways)
            for way in WAYS
        ]
        rows.append((f"{rate}", *cells))
    header = ("rate", *(name if who is None else f"{name}, {who}" for name, _, who in WAYS))
    write_section(
        "Plans by the curves of fast and of exact, ResNet-32 on CIFAR-10 (ana_fast.py)",
        header,
        rows,
        f"Top-1 on all 10,000 test images right after `prune`, {INPUTS} training images without "
        "labels, no training; curves by agreement on 1,000 others. Criterion block-obs. `search` "
        "is the allocation that prunus takes by default with samples, curves are one of its "
        "starts; `sensitivity` has nothing but the curves. Empty: not measured yet.",
    )


def _cell(
    network: Network,
    data: Dataset,
    inputs: dict[str, Any],
    test: Dataset,
    rate: float,
    way: tuple[str, str, str | None],
    wanted: bool,
) -> str:
    """Accuracy of one plan; empty where it is neither known nor wanted."""
    _, allocation, who = way
    file = BUILD / f"{allocation}-{who}-{rate}.txt"
    if not file.exists():
        if not wanted:
            return ""
        measured = None if who is None else curves(network, data, who)
        plan = prunus.plan(
            network, rate=rate, data=inputs, sensitivity=measured, allocation=allocation
        )
        masked = prunus.prune(network, plan, data=inputs)
        value = prunus.evaluate(masked, test, metric="top-1").value
        print(rate, way, f"{value:.2%}", flush=True)
        file.write_text(f"{value:.2%}")
    return file.read_text()


def main() -> None:
    """Both tables, or the one named on the command line."""
    BUILD.mkdir(parents=True, exist_ok=True)
    asked = sys.argv[1:] or ["costs", "decisions"]
    if "costs" in asked:
        rows = [
            costs("ResNet-32, CIFAR-10", *resnet32()),
            costs("yolo-fastest-1.0, tinycoco", *yolo_fastest()),
        ]
        header = (
            *("network", "groups", "samples", "MACs sweep", "MACs exact", "MACs fast"),
            *("sweep / fast", "s sweep", "s fast", "sweep / fast"),
        )
        write_section(
            "Analysis fast against a plain sweep (ana_fast.py)",
            header,
            rows,
            "The sweep runs the whole network on all samples for every group and ratio; its "
            "seconds are those of three of these runs, scaled. Fast with all it needs: scores of "
            "channels, sums, plans of the whole network, two ratios a group; the solution of small "
            "systems takes part of its seconds and is not among its MACs. Processor seconds, one "
            "thread.",
        )
    if "decisions" in asked:
        rates = tuple(float(text) for text in asked if text[0].isdigit()) or RATES
        named = [name for name in asked if name in ("uniform", "sensitivity", "search")]
        who = [name for name in asked if name in ("exact", "fast")]
        decisions(
            rates,
            tuple(
                way for way in WAYS if (not named or way[1] in named) and (not who or way[2] in who)
            ),
        )


if __name__ == "__main__":
    main()
