"""Exact sensitivity with prefix reuse against a plain sweep, side by side.

Both measure the same curves in the same engine on the same samples. The sweep runs the
whole network once for every group and ratio; `prunus ana` runs what lies before a
group once for all, and the weights that read it once for all ratios. Prints MACs, seconds
(the better of two runs in turn) and the largest difference of any point; writes the table
into RESULTS.md.
"""

from __future__ import annotations

import time

import numpy as np
from networks import cifar_quick, lenet, resnet20
from results import write_section

from prunus.analysis import exact
from prunus.analysis.probe import Probe
from prunus.analysis.suffix import (
    insert_masks,
    keep_tensor,
    mask_input,
    offset_input,
)
from prunus.folding import channel_means
from prunus.graph.macs import layer_macs
from prunus.methods.l1 import prunus_rank
from prunus.plugin import (
    Analysis,
    Dataset,
    Evaluator,
    Fidelity,
    Journal,
    Network,
    Sensitivity,
    Session,
    find_groups,
)

RATIOS = tuple(round(0.1 * step, 1) for step in range(1, 10))


def analysis_of(network: Network, data: Dataset) -> Analysis:
    """What both ways measure."""
    grouping = find_groups(network)
    evaluator = Evaluator(network, data, Fidelity())
    _ = evaluator.baseline
    scores = {g.name: prunus_rank("l1", network, g, None, 0) for g in grouping.groups}
    journal = Journal(None, {})
    return Analysis(grouping, evaluator, scores, RATIOS, journal, {}, lambda *_: None)


def sweep(network: Network, analysis: Analysis) -> dict[str, list[float]]:
    """Every group and ratio through the whole network, one at a time."""
    curves: dict[str, list[float]] = {}
    for group in analysis.grouping.groups:
        model, masked, _ = insert_masks(network.model, analysis.grouping, group)
        session = Session(model)
        means = channel_means(network, analysis.grouping, masked, analysis.evaluator.calibration())
        labels = analysis.grouping.labelling.values
        curves[group.name] = []
        for _, keep in analysis.trials(group):
            feeds = {}
            for value in masked:
                mask = keep_tensor(analysis.grouping, group, value, keep)
                feeds[mask_input(value)] = mask
                mean = means[value].reshape(labels[value].shape)
                feeds[offset_input(value)] = ((1 - mask) * mean).astype(np.float32)
            seen = []
            references = analysis.evaluator.references
            for batch, reference in zip(analysis.evaluator.batches(), references, strict=True):
                outputs = session.run({**batch.inputs, **feeds})
                seen.append(analysis.evaluator.metric.observe(outputs, reference, batch.labels))
            curves[group.name].append(analysis.evaluator.metric.result(seen).value)
    return curves


def macs_of(network: Network, analysis: Analysis) -> tuple[float, float]:
    """MACs of one sample: the sweep's and the exact analysis'."""
    dims = analysis.grouping.labelling.dims
    macs = layer_macs(network.model, dims)
    whole = sum(macs.values())
    plain = reused = 0.0
    for group in analysis.grouping.groups:
        probe = Probe(network, analysis, group)
        plain += len(probe.trials) * whole
        behind = sum(macs.get(node.name or "", 0) for node in probe.suffix.model.graph)
        reused += len(probe.trials) * behind
        for consumer in probe.direct:
            removed = sum(len(block) for block in consumer.blocks)
            reused += macs[consumer.node] * removed / dims[consumer.data][consumer.axis]
    return plain, reused + whole


def compare(name: str, network: Network, data: Dataset) -> tuple[str, ...]:
    """One row of the table."""
    analysis = analysis_of(network, data)
    spent = []
    for _ in range(2):
        start = time.perf_counter()
        slow = sweep(network, analysis)
        middle = time.perf_counter()
        fast: Sensitivity = exact.analyze(network, analysis)
        spent.append((middle - start, time.perf_counter() - middle))
    sweep_seconds, exact_seconds = (min(seconds) for seconds in zip(*spent, strict=True))
    difference = max(
        abs(point.value - value)
        for group, values in slow.items()
        for point, value in zip(fast.curve(group).points, values, strict=True)  # type: ignore[union-attr]
    )
    plain, reused = macs_of(network, analysis)
    return (
        name,
        str(len(analysis.grouping.groups)),
        str(len(data)),
        f"{plain:.3g}",
        f"{reused:.3g}",
        f"{plain / reused:.2f}",
        f"{sweep_seconds:.1f}",
        f"{exact_seconds:.1f}",
        f"{sweep_seconds / exact_seconds:.2f}",
        f"{difference:.1e}",
    )


def main() -> None:
    """LeNet, CIFAR-10 quick, ResNet-20."""
    rows = [
        compare("LeNet", *lenet()),
        compare("CIFAR-10 quick", *cifar_quick()),
        compare("ResNet-20", *resnet20(1000)),
    ]
    header = (
        "network",
        "groups",
        "samples",
        "MACs sweep",
        "MACs ana",
        "ratio",
        "s sweep",
        "s ana",
        "ratio",
        "largest difference",
    )
    write_section("Exact sensitivity against a plain sweep (ana_exact.py)", header, rows)


if __name__ == "__main__":
    main()
