"""Runs two networks in the real darknet program and compares everything they detect."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

SURE = 0.05
"""Weaker detections are not compared: rounding may move one across the program's limit."""

TOLERANCE = 1e-3
"""Largest difference of a score, and of an edge in pixels; the program prints six digits."""

Files = tuple[Path, Path]
Detection = tuple[str, ...]


def compare(folder: Path, masked: Files, small: Files) -> str:
    """A sentence for the user.

    Args:
        folder: Holds ``digits.data`` and its images.
        masked: cfg and weights, relative to the folder.
        small: The same network without the masked channels.

    Raises:
        SystemExit: the networks detect something else.
    """
    program = shutil.which("darknet")
    if program is None:
        return "real Darknet: not checked (no program darknet)"
    first, second = (detections(program, folder, *files) for files in (masked, small))
    worst = max((differences(first, second)), default=0.0)
    if set(first) != set(second) or worst > TOLERANCE:
        raise SystemExit("real Darknet: masked and transformed network detect something else")
    return (
        f"real Darknet: {len(first)} detections, the same from the masked and the transformed "
        f"network, largest difference {worst:.1e}"
    )


def detections(
    program: str, folder: Path, cfg: Path, weights: Path
) -> dict[Detection, list[float]]:
    """``darknet detector valid``: class, image and rank -> score, left, top, right, bottom."""
    results = folder / "results"
    results.mkdir(exist_ok=True)
    command = [program, "detector", "valid", "digits.data", str(cfg), str(weights)]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    found: dict[Detection, list[float]] = {}
    for path in sorted(results.glob("comp4_det_test_*.txt")):
        rank: Counter[str] = Counter()
        lines = (line.split() for line in path.read_text().splitlines())
        for name, *numbers in sorted(lines, key=by_score):
            values = [float(number) for number in numbers]
            if values[0] >= SURE:
                found[path.stem, name, str(rank[name])] = values
                rank[name] += 1
        path.unlink()
    return found


def by_score(line: list[str]) -> tuple[str, float]:
    """Image by image, best first."""
    return line[0], -float(line[1])


def differences(
    first: dict[Detection, list[float]], second: dict[Detection, list[float]]
) -> list[float]:
    """Largest difference of each detection both have."""
    return [
        max(abs(a - b) for a, b in zip(first[key], second[key], strict=True))
        for key in first.keys() & second.keys()
    ]
