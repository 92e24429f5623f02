"""Detections in the files that VOC's and COCO's own evaluation scripts read.

Format facts: ``validate_detector``, ``print_detector_detections`` and ``print_cocos`` in
Darknet's ``examples/detector.c``. Lines of an image stand surest first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import DataError, Host, Settings, evaluation_data, load_from_settings, staged
from prunus_darknet.boxes.detections import Detection, Detector
from prunus_darknet.data import DetectorDataset
from prunus_darknet.datasets.data_file import Entry

Report = Callable[[int, int], None]
Seen = Iterator[tuple[Entry, tuple[int, int], tuple[Detection, ...]]]

COCO_IDS = tuple(
    number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
)
"""COCO's numbers of its 80 classes."""


@attrs.frozen
class ResultFiles:
    """Files that ``valid`` wrote.

    Attributes:
        kind: ``voc`` or ``coco``.
        images, detections: Their numbers.
        files: Paths.
        notes: Sentences for the user.
    """

    kind: str
    images: int
    detections: int
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        files = [str(path) for path in self.files]
        return {"command": "valid", **attrs.asdict(self), "files": files}


def write_results(
    host: Host, settings: Settings, directory: Path | None, name: str | None, report: Report
) -> ResultFiles:
    """Detect objects in the images of the ``valid=`` list and write them.

    Args:
        host: Plugins.
        settings: Network and data.
        directory: Where to; ``None`` for the ``.data`` file's ``results=``, else ``results``.
        name: Start of the files' names; ``None`` for Darknet's.
        report: Told how many images are done, of how many.

    Raises:
        DataError: the data are no ``.data`` file of a detector, or names are missing.
        UsageError: the network has no box-decoding layer.
    """
    loaded = load_from_settings(host, settings)
    detector = Detector(loaded.network)
    classes = max(head.classes for head in detector.heads)
    data = evaluation_data(loaded, settings)
    if not isinstance(data, DetectorDataset):
        raise DataError("valid reads the images of a Darknet .data file; give --data FILE.data")
    values = data.description.values
    kind = values.get("eval", "voc")
    writers = {"voc": _voc, "coco": _coco}
    if kind not in writers:
        raise DataError(
            f"{data.description.path}:{data.description.lines['eval']}: eval={kind}: "
            "results are written as voc or coco"
        )
    folder = Path(values.get("results", "results")) if directory is None else directory
    with staged(folder) as stage:
        count = writers[kind](data, classes, stage, name, _looked_at(detector, data, report))
        files = tuple(folder / path.name for path in sorted(stage.iterdir()))
    return ResultFiles(kind, len(data), count, files, (*settings.notes, *loaded.network.notes))


def _looked_at(detector: Detector, data: DetectorDataset, report: Report) -> Seen:
    for number, entry in enumerate(data.entries):
        report(number, len(data))
        image = data.image(entry)
        yield entry, (image.shape[2], image.shape[1]), detector.look(image)


def _voc(data: DetectorDataset, classes: int, stage: Path, name: str | None, seen: Seen) -> int:
    """A file a class: image, score, left, top, right, bottom, counted from pixel 1."""
    prefix, count = "comp4_det_test_" if name is None else name, 0
    with ExitStack() as stack:
        files = [
            stack.enter_context(Path(stage, f"{prefix}{kind}.txt").open("w", encoding="utf-8"))
            for kind in _file_names(data, classes)
        ]
        for entry, (width, height), found in seen:
            stem = Path(entry.text).name.split(".")[0]
            for one in found:
                left, top = max(one.left + 1, 1), max(one.top + 1, 1)
                right, bottom = min(one.right + 1, width), min(one.bottom + 1, height)
                corners = f"{left:f} {top:f} {right:f} {bottom:f}"
                files[one.chosen].write(f"{stem} {one.score:f} {corners}\n")
            count += len(found)
    return count


def _file_names(data: DetectorDataset, classes: int) -> tuple[str, ...]:
    names = data.description.names(classes)
    for number, name in enumerate(names):
        if "/" in name or name in names[:number]:
            raise DataError(
                f"{data.description.path}: names=: '{name}' cannot name a file of its own; "
                "every class gets one"
            )
    return names


def _coco(data: DetectorDataset, classes: int, stage: Path, name: str | None, seen: Seen) -> int:
    """One JSON list; boxes are left, top, width, height."""
    if classes > len(COCO_IDS):
        raise DataError(
            f"{data.description.path}: eval=coco: COCO has {len(COCO_IDS)} classes, "
            f"the network {classes}"
        )
    count = 0
    with Path(stage, f"{name or 'coco_results'}.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for entry, (width, height), found in seen:
            number = _number(entry, data)
            for one in found:
                left, top = max(one.left, 0), max(one.top, 0)
                sides = min(one.right, width) - left, min(one.bottom, height) - top
                box = ", ".join(f"{value:f}" for value in (left, top, *sides))
                file.write(
                    f'{"," if count else ""}\n{{"image_id":{number}, '
                    f'"category_id":{COCO_IDS[one.chosen]}, "bbox":[{box}], '
                    f'"score":{one.score:f}}}'
                )
                count += 1
        file.write("\n]\n")
    return count


def _number(entry: Entry, data: DetectorDataset) -> int:
    """COCO's number of an image: the digits after the last ``_`` of its name, or in front."""
    found = re.match(r"\d+", Path(entry.text).name.rpartition("_")[2])
    if found is None:
        raise DataError(
            f"{data.list_file}:{entry.line}: {entry.text} has no number in its name; "
            "COCO's results go by number"
        )
    return int(found[0])
