"""tinycoco and Darknet's sample images laid out as a network's ``.data`` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from networks import SHARED

from prunus_darknet.library import CFG_FOLDER

TINYCOCO = SHARED / "datasets/tinycoco"
SAMPLES = SHARED / "datasets/darknet-samples"
VOC = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
SAME = {
    "airplane": "aeroplane",
    "motorcycle": "motorbike",
    "couch": "sofa",
    "dining table": "diningtable",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}
"""COCO's name -> VOC's, where they differ."""


def coco_names() -> tuple[str, ...]:
    """COCO's 80 classes in the order of its numbers."""
    return tuple((TINYCOCO / "coco.names").read_text().splitlines())


def lay_out(space: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """Write the ``.data`` files of a network, and all they name, into an empty folder.

    Args:
        space: The folder.
        names: The network's classes.

    Returns:
        The file of tinycoco's images with boxes of these classes, and that of all
        images without labels.
    """
    for part in ("images", "labels", "bare"):
        (space / part).mkdir(parents=True)
    photographs = sorted(TINYCOCO.glob("images/*/*.jpg"))
    for path in photographs:
        (space / "images" / path.name).symlink_to(path)
        label = TINYCOCO / "labels" / path.parent.name / f"{path.stem}.txt"
        text = translated(label.read_text(), names) if label.exists() else ""
        (space / "labels" / label.name).write_text(text)
    for path in (*photographs, *samples()):
        (space / "bare" / path.name).symlink_to(path)
    return listed(space, "images", len(names)), listed(space, "bare", len(names))


def listed(space: Path, part: str, classes: int) -> Path:
    """Write the ``.data`` file of a folder of images, and its list."""
    images = sorted(f"{part}/{path.name}" for path in (space / part).iterdir())
    (space / f"{part}.txt").write_text("\n".join(images) + "\n")
    description = space / f"{part}.data"
    description.write_text(f"classes={classes}\ntrain={part}.txt\nvalid={part}.txt\n")
    return description


def translated(text: str, names: Sequence[str]) -> str:
    """Label lines of COCO's numbers: those of the classes a network knows, by its own numbers."""
    lines, coco = [], coco_names()
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        name = coco[int(number)]
        if (known := name if name in names else SAME.get(name, "")) in names:
            lines.append(f"{names.index(known)} {rest}\n")
    return "".join(lines)


def samples() -> list[Path]:
    """Darknet's sample images, and those of the Debian package that differ."""
    shared = sorted(SAMPLES.glob("*.jpg"))
    known = {path.name for path in shared}
    package = sorted((CFG_FOLDER.parent / "data").glob("*.jpg"))
    return [*shared, *(path for path in package if path.name not in known)]
