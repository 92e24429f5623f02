"""The four steps on a trained Darknet detector, as its users type them: `make demo-darknet`.

Works in ``build/demo-darknet``: a round by the ancestor's threshold, then one by rate. Real
Darknet is not needed; where the program is installed, the results are run there as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import in_darknet
import scenes
from rich.console import Console
from rich.table import Table

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


def prunus(*arguments: str) -> dict[str, Any]:
    """Run one command in the work directory, show it, give its JSON result."""
    print("$ prunus", *arguments, flush=True)
    command = [sys.executable, "-m", "prunus", *arguments, "--json"]
    done = subprocess.run(command, cwd=WORK, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


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


def rounds() -> dict[str, dict[str, Any]]:
    """Analyse once, prune and finetune twice, transform; the stage rows for the table."""
    prunus("ana", *CONFIG, "--weights", "digits.weights")
    rows: dict[str, dict[str, Any]] = {}
    weights = "digits.weights"
    for target in ((), ("--rate", str(RATE))):
        pruned = prunus("prune", *CONFIG, "--weights", weights, *target)
        rows.setdefault("original", pruned["stages"][0])
        name = f"pruned, rate {RATE}" if target else "pruned, threshold 0.005"
        rows[name] = pruned["stages"][-1]
        cfg = next(path for path in pruned["files"] if path.endswith("-prune.cfg"))
        edit(WORK / cfg)
        print(f"in {cfg}:", *" ".join(RECIPE.values()).split())
        tuned = prunus("finetune", *CONFIG)
        rows[f"finetuned ({1 + bool(target)})"] = tuned["stages"][-1]
        weights = os.path.relpath(tuned["files"][-1], WORK)
    final = prunus("transform", *CONFIG, "--output", "transformed")
    rows["original"]["bytes"] = (WORK / "digits.weights").stat().st_size
    rows["original"]["milliseconds"] = final["stages"][0]["milliseconds"]
    rows["transformed"] = final["stages"][-1]
    return rows


def show(rows: dict[str, dict[str, Any]]) -> None:
    """One table."""
    count = scenes.SCENES["valid"]
    table = Table(
        box=None, pad_edge=False, title=f"YOLOv3 of digits, {count} held-out scenes",
        title_justify="left",
    )  # fmt: skip
    table.add_column("network")
    for column in ("mAP", "params", "MACs", "bytes on disk", "latency"):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        size, time = row["bytes"], row["milliseconds"]
        table.add_row(
            name,
            f"{row['metric']['value']:.2%}",
            f"{row['params']:,}",
            f"{row['macs']:,}",
            f"{size:,}" if size else "",
            f"{time:.3f} ms" if time else "",
        )
    first, last = rows["original"], rows["transformed"]
    Console(width=100, highlight=False).print(table)
    print(
        f"MACs -{1 - last['macs'] / first['macs']:.1%}, "
        f"bytes -{1 - last['bytes'] / first['bytes']:.1%}, "
        f"mAP {100 * (last['metric']['value'] - first['metric']['value']):+.1f} points"
    )


def main() -> None:
    """Everything in order."""
    prepare()
    rows = rounds()
    show(rows)
    state = json.loads((WORK / "ws/state.json").read_text())
    masked = (Path("digits.cfg"), Path(state["finetuned"]["weights"]))
    small = Path("transformed/model-transform.cfg")
    print(in_darknet.compare(WORK, masked, (small, small.with_suffix(".weights"))))


if __name__ == "__main__":
    main()
