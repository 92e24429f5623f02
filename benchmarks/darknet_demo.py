"""The digits detector of `make demo-darknet` by threshold and by rate, each from the original.

Threshold 0.005 is the legacy tool's; rates 0.2, 0.4 and 0.6 are what it never had. Every round is
finetuned with the recipe of the demo, supervised, by prunus-torch. mAP is that of 400 held-out
scenes. Everything runs through the functions behind the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import attrs
from results import write_section

from prunus.plugin import Settings, analyze_step, prune_step, start
from prunus.steps.finetune import finetune
from prunus.training.tuning import Tuning

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/darknet-digits"
WORK = Path("build/darknet-demo")
"""Kept: the analysis of an earlier run is taken up."""

TARGETS: tuple[dict[str, float], ...] = (
    {"threshold": 0.005},
    {"rate": 0.2},
    {"rate": 0.4},
    {"rate": 0.6},
)


def rounds(folder: Path, edit: Callable[[Path], None]) -> list[tuple[str, ...]]:
    """A row for each target."""
    host, data = start(), str(folder / "digits.data")
    settings = Settings(
        model=EXAMPLE / "digits.cfg",
        weights=EXAMPLE / "digits.weights",
        data=data,
        train_data=data,
        workspace=folder / "ws",
    )
    analyze_step(host, settings)
    rows = []
    for target in TARGETS:
        pruned = prune_step(host, attrs.evolve(settings, **target)).report
        edit(next(path for path in pruned.files if path.name.endswith("-prune.cfg")))
        tuned = finetune(host, settings, Tuning()).report
        original, before, after = tuned.stages
        got = 1 - before.macs / original.macs
        (name, asked), *_ = target.items()
        values = [stage.metric.value for stage in tuned.stages if stage.metric is not None]
        rows.append(
            (
                f"{name} {asked:g}",
                f"{got:.4f}",
                f"{abs(got / asked - 1):.2%}" if name == "rate" else "",
                *(f"{value:.4f}" for value in values),
                f"{100 * (values[2] - values[0]):+.2f}",
                f"{after.params:,}",
            )
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Scenes, rounds, table."""
    sys.path.insert(0, str(EXAMPLE))
    import demo
    import scenes

    WORK.mkdir(parents=True, exist_ok=True)
    scenes.main(WORK)
    rows = rounds(WORK, demo.edit)
    recipe = " ".join(demo.RECIPE.values()).replace("\n", " ")
    header = "asked, MACs removed, off by, mAP, pruned, finetuned, points, params"
    write_section(
        "Darknet digits detector by threshold and by rate (darknet_demo.py)",
        header.split(", "),
        rows,
        "YOLOv3 of two scales, 46.7 M MACs, 271 k params; 400 held-out scenes. Each row starts "
        f"from the original and is finetuned with `{recipe}`, edited in the pruned cfg. A "
        "threshold is a loss per group: it has no rate to hit.",
    )


if __name__ == "__main__":
    main()
