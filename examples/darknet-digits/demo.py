"""The four steps on a trained Darknet detector, as its users type them: `make demo-darknet`.

Works in ``build/demo-darknet``: a round by the legacy threshold, then one by rate. Real
Darknet is not needed; where the program is installed, the results are run there as well.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import in_darknet
import scenes
from shown import Rows, prunus, show, show_report

HERE = Path(__file__).resolve().parent
WORK = Path("build/demo-darknet")
CONFIG = ("--config", "pruning.cfg")
RATE = 0.5
"""Share of MACs removed after the second round; the first one follows `pruning.cfg`."""

RECIPE = {
    "learning_rate=0.002": "learning_rate=0.001",
    "burn_in=100": "burn_in=0",
    "max_batches=2400": "max_batches=300",
    "policy=steps": "policy=poly\npower=2",
}
"""What a user edits in the pruned cfg before finetuning."""


def prepare() -> None:
    """Example files and scenes, as Darknet users have them."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    for name in ("digits.cfg", "digits.weights", "pruning.cfg"):
        shutil.copy(HERE / name, WORK / name)
    scenes.main(WORK)


def edit(cfg: Path) -> None:
    """The hyper-parameters of finetuning stand in the pruned cfg."""
    text = cfg.read_text()
    for old, new in RECIPE.items():
        text = text.replace(old, new)
    cfg.write_text(text)


def rounds() -> Rows:
    """Analyse once, prune and finetune twice, transform; the stage rows for the table."""
    prunus(WORK, "ana", *CONFIG, "--weights", "digits.weights")
    rows: Rows = {}
    weights = "digits.weights"
    for target in ((), ("--rate", str(RATE))):
        pruned = prunus(WORK, "prune", *CONFIG, "--weights", weights, *target)
        rows.setdefault("original", pruned["stages"][0])
        name = f"pruned, rate {RATE}" if target else "pruned, threshold 0.005"
        rows[name] = pruned["stages"][-1]
        cfg = next(path for path in pruned["files"] if path.endswith("-prune.cfg"))
        edit(WORK / cfg)
        print(f"in {cfg}:", *" ".join(RECIPE.values()).split())
        tuned = prunus(WORK, "finetune", *CONFIG)
        rows[f"finetuned ({1 + bool(target)})"] = tuned["stages"][-1]
        weights = os.path.relpath(tuned["files"][-1], WORK)
    final = prunus(WORK, "transform", *CONFIG, "--output", "transformed")
    rows["original"]["bytes"] = (WORK / "digits.weights").stat().st_size
    rows["original"]["milliseconds"] = final["stages"][1]["milliseconds"]
    rows["transformed"] = final["stages"][-1]
    return rows


def main() -> None:
    """Everything in order."""
    prepare()
    rows = rounds()
    show(f"YOLOv3 of digits, {scenes.SCENES['valid']} held-out scenes", "mAP", rows)
    state = json.loads((WORK / "ws/state.json").read_text())
    masked = (Path("digits.cfg"), Path("ws") / state["finetuned"]["weights"])
    small = Path("transformed/model-transform.cfg")
    print(in_darknet.compare(WORK, masked, (small, small.with_suffix(".weights"))))
    show_report(WORK)


if __name__ == "__main__":
    main()
