"""Does the agreement printed without labels tell how good a pruned detector is?

yolo-fastest-1.0 pruned by 30 plans of several rates, criteria and allocations, compensated or only
folded; each is measured on tinycoco's pictures with labels (map) and without (agreement, fidelity).
Plans are compensated on Darknet's sample pictures, which are not measured on. Rank correlations
(Spearman) over the plans.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
from darknet_images import coco_names, lay_out, listed, samples
from networks import ROOT, SHARED, read
from numpy.typing import NDArray
from results import write_section
from scipy.stats import spearmanr

import prunus
from prunus.plugin import Agreement, Batch, Evaluator, Fidelity
from prunus_darknet.data import open_data

FOLDER = SHARED / "models/darknet/yolo-fastest-1.0"
BUILD = ROOT / "build/agreement"
RATES = (0.02, 0.05, 0.1, 0.2, 0.3)
METRICS = ("map", "agreement", "fidelity")
WAYS = (
    ("l1", "uniform", True),
    ("l1", "uniform", False),
    ("l1", "global", True),
    ("l2", "global", False),
    ("fpgm", "uniform", True),
    ("random", "uniform", True),
)
"""Criterion, allocation and whether the plan is compensated."""


def plans(network: prunus.Network, data: str) -> Iterator[tuple[str, prunus.MaskedNetwork]]:
    """Every plan by name, carried out."""
    for criterion, allocation, compensated in WAYS:
        for rate in RATES:
            plan = prunus.plan(
                network, rate=rate, criterion=criterion, allocation=allocation, best_effort=True
            )
            masked = prunus.prune(network, plan, data=data if compensated else None)
            how = "compensated" if compensated else "folded"
            yield f"{criterion}, {allocation}, {how} | {plan.rate:.4f}", masked


@attrs.frozen(eq=False)
class Held:
    """Samples that were read once."""

    batch: Batch

    def __len__(self) -> int:
        return len(self.batch)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """As they were read."""
        inputs = {name: array[positions] for name, array in self.batch.inputs.items()}
        return Batch(inputs, [self.batch.labels[position] for position in positions])

    def digest(self) -> str:
        """Nothing is stored under it."""
        return "held"


def judge_of(network: prunus.Network, data: str) -> Evaluator:
    """Measures networks by the three metrics."""
    opened = open_data(data, network, training=False)
    assert opened is not None
    held = Held(opened.read(np.arange(len(opened)), None))
    metric = network.task.metric
    assert metric is not None
    return Evaluator(network, held, metric, beside=(Agreement(metric), Fidelity()))


def measured(judge: Evaluator, network: prunus.Network) -> list[float]:
    """The three metrics."""
    look = judge.look(network.model)
    return [look.value.value, *(look.beside[name].value for name in METRICS[1:])]


def prepared() -> tuple[str, str]:
    """The ``.data`` files of tinycoco's pictures with labels, and of Darknet's own without."""
    shutil.rmtree(BUILD, ignore_errors=True)
    labelled, _ = lay_out(BUILD, coco_names())
    (BUILD / "others").mkdir()
    for path in samples():
        (BUILD / "others" / path.name).symlink_to(path)
    return str(labelled), str(listed(BUILD, "others", 80))


def main() -> None:
    """One table."""
    (cfg,), (weights,) = FOLDER.glob("*.cfg"), FOLDER.glob("*.weights")
    network = read(Path(cfg), Path(weights))
    labelled, others = prepared()
    judge = judge_of(network, labelled)
    rows = [("whole | 0", measured(judge, network))]
    for name, masked in plans(network, others):
        rows.append((name, measured(judge, masked.network)))
        print(rows[-1], flush=True)
    columns = list(zip(*(values for _, values in rows[1:]), strict=True))
    ranks = [spearmanr(columns[0], column).statistic for column in columns[1:]]
    left = [value / rows[0][1][0] for value in columns[0]]
    apart = [float(np.mean(np.abs(np.subtract(left, column)))) for column in columns[1:]]
    cells = [(*name.split(" | "), *(f"{value:.4f}" for value in vs)) for name, vs in rows]
    write_section(
        "Agreement without labels and mAP with them, yolo-fastest-1.0 (agreement.py)",
        ("plan", "rate", *METRICS),
        cells,
        f"Rank correlation with map over {len(rows) - 1} plans: agreement {ranks[0]:.3f}, "
        f"fidelity {ranks[1]:.3f}. Both order the plans; what differs is the level: from the share "
        f"of map that is left, agreement is {apart[0]:.2f} away in the mean, fidelity "
        f"{apart[1]:.2f}. Neither reads labels. Measured on 38 pictures of tinycoco; compensated "
        "on Darknet's sample pictures.",
    )


if __name__ == "__main__":
    main()
