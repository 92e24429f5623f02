"""Samples of a ``.data`` file, as Darknet's detectors and classifiers read them.

Format facts: ``train_detector`` and ``validate_detector`` in Darknet's
``examples/detector.c``, ``train_classifier`` and ``validate_classifier_single`` in
``examples/classifier.c``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Batch, DataError, Dataset, Network, contents_digest
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.datasets.augment import classifier_sample, detector_sample
from prunus_darknet.datasets.data_file import DataFile, Entry, read_data_file, read_list, read_names
from prunus_darknet.datasets.images import Array, load_image
from prunus_darknet.datasets.preprocessing import View, view_of
from prunus_darknet.datasets.truth import class_of, label_paths, placed, read_boxes, training_boxes


@attrs.frozen(eq=False)
class ListedImages:
    """Images of a list, found as the ``.data`` file's paths are.

    Attributes:
        description: The ``.data`` file.
        list_file: The list it names.
        entries: Lines of the list.
        view: How images become the network's input.
    """

    description: DataFile
    list_file: Path
    entries: tuple[Entry, ...]
    view: View

    def __len__(self) -> int:
        return len(self.entries)

    def image(self, entry: Entry) -> Array:
        """The decoded image of a line, ``(C, H, W)``."""
        path, where = self.description.resolve(entry.text), f"{self.list_file}:{entry.line}"
        if not os.path.exists(path):  # unlike Path.exists it never raises
            raise DataError(f"{where}: image {path} not found{self.description.tried(path)}")
        return load_image(path, self.view.channels, where)

    def _digest(self, more: Sequence[str]) -> str:
        digest = hashlib.sha256(f"{self.view}{self.description.classes}".encode())
        paths = [self.description.resolve(entry.text) for entry in self.entries]
        digest.update(contents_digest(path for path in paths if os.path.isfile(path)).encode())
        for text in (*(entry.text for entry in self.entries), *more):
            digest.update(text.encode("utf-8", "surrogateescape") + b"\n")
        return digest.hexdigest()[:16]


@attrs.frozen(eq=False)
class DetectorDataset(ListedImages):
    """Images and boxes; labels are relative to the network's input.

    A list without a single label file holds images alone: enough to distill a network
    and to measure fidelity.

    Attributes:
        classes: Number of classes.
        source: What says so, for messages.
        labelled: Whether some image has a label file.
    """

    classes: int
    source: str
    labelled: bool = attrs.field(init=False)

    @labelled.default
    def _has_label_file(self) -> bool:
        return any(self._label_file(entry) is not None for entry in self.entries)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read samples; labels are one ``(boxes, 5)`` array a sample, or ``None``."""
        pairs = [self._sample(self.entries[int(position)], rng) for position in positions]
        images = np.stack([image for image, _ in pairs])
        labels = [boxes for _, boxes in pairs] if self.labelled else None
        return Batch({self.view.input: images}, labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes; empty where the ``.data`` file gives none.

        Raises:
            DataError: the file of names is missing, or holds too few.
        """
        given = "names" in self.description.values
        return self.description.names(self.classes) if given else ()

    def boxes(self, entry: Entry) -> Array:
        """The boxes of a line, ``(boxes, 5)``, relative to the image.

        Raises:
            DataError: the label file is missing (to pjreddie's Darknet) or broken.
        """
        path = self._label_file(entry)
        if path is not None:
            return read_boxes(path, self.classes, self.source)
        if self.view.alexeyab or not self.labelled:
            return np.zeros((0, 5), np.float32)
        wanted = label_paths(entry.text, self.view.alexeyab)
        raise DataError(
            f"{self.list_file}:{entry.line}: label file {wanted[0]} not found"
            f"{self.description.tried(Path(wanted[0]))}; "
            "an image without objects has an empty one"
        )

    def _label_file(self, entry: Entry) -> Path | None:
        paths = map(self.description.resolve, label_paths(entry.text, self.view.alexeyab))
        return next((path for path in paths if os.path.isfile(path)), None)

    def digest(self) -> str:
        """Digest of names and contents of images, boxes and transformation."""
        return self._digest([self.boxes(entry).tobytes().hex() for entry in self.entries])

    def _sample(self, entry: Entry, rng: np.random.Generator | None) -> tuple[Array, Array]:
        view, image, boxes = self.view, self.image(entry), self.boxes(entry)
        if rng is not None:
            size = view.width, view.height
            result, area, flip = detector_sample(image, size, view.augmentation, rng)
            return result, training_boxes(boxes, area, flip)
        result, area = view.fit(image)
        return result, placed(boxes, area)


@attrs.frozen(eq=False)
class ClassifierDataset(ListedImages):
    """Images with a class whose label is part of the path.

    Attributes:
        names: Labels by class.
        training: Paths with several labels are refused.
    """

    names: tuple[str, ...]
    training: bool

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read samples; labels are ``(N,)`` classes."""
        chosen = [self.entries[int(position)] for position in positions]
        images = np.stack([self._view(self.image(entry), rng) for entry in chosen])
        return Batch(
            {self.view.input: images}, np.array([self._class(e) for e in chosen], np.int64)
        )

    def digest(self) -> str:
        """Digest of names and contents of images, labels and transformation."""
        return self._digest(self.names)

    def _class(self, entry: Entry) -> int:
        where = f"{self.list_file}:{entry.line}"
        return class_of(entry.text, self.names, where, self.training)

    def _view(self, image: Array, rng: np.random.Generator | None) -> Array:
        if rng is not None:
            size = self.view.width, self.view.height
            return classifier_sample(image, size, self.view.augmentation, rng)
        return self.view.fit(image)[0]


def is_data_file(spec: str) -> bool:
    """Whether a data specification is a ``.data`` file."""
    return Path(spec).suffix == ".data"


def open_data(spec: str, network: Network, training: bool) -> Dataset | None:
    """Open a ``.data`` file for a network; ``None`` for any other specification.

    Raises:
        DataError: a file is missing, empty or broken, or does not fit the network.
    """
    path = Path(spec)
    if not is_data_file(spec):
        return None
    description = read_data_file(path)
    view = view_of(network)
    list_file = description.file("train" if training else "valid")
    entries = read_list(list_file)
    heads = heads_of(network)
    if not heads:
        names = _labels(description)
        return ClassifierDataset(description, list_file, entries, view, names, training)
    said, head = description.classes, heads[-1]
    if said is not None and said != head.classes:
        raise DataError(
            f"{path}:{description.lines['classes']}: classes={said}, but {head.kind} layer "
            f"{head.index} of the network has classes={head.classes}"
        )
    source = f"{head.kind} layer {head.index}" if said is None else str(path)
    return DetectorDataset(description, list_file, entries, view, head.classes, source)


def _labels(description: DataFile) -> tuple[str, ...]:
    """Labels of the classes; ``names=`` stands in for a missing ``labels=``."""
    key = "labels" if "labels" in description.values else "names"
    path = description.file(key)
    names = read_names(path)
    count = description.classes or len(names)
    if count > len(names):
        raise DataError(
            f"{description.path}:{description.lines['classes']}: classes={count}, "
            f"but {path} holds {len(names)} labels"
        )
    return names[:count]
