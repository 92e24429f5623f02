"""Samples from images: a folder with one sub-folder a class, a list file, or stored pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import DataError
from prunus.evaluation.contents import contents_digest
from prunus.evaluation.decoding import decode, pillow
from prunus.evaluation.sample_transform import Transform, image_input
from prunus.graph.inputs import sample_shape
from prunus.task import Array, Batch, Preprocessing

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp"})

Fit = Callable[[NDArray[np.uint8]], NDArray[np.generic]]


class Images(Protocol):
    """Pixels by position."""

    def __len__(self) -> int:
        """Number of images."""

    def fitted(self, position: int, fit: Fit) -> NDArray[np.generic]:
        """``(C, h, w)`` of the network's size, red first or grey."""

    def digest(self) -> str:
        """Digest of all pixels."""


@attrs.frozen(eq=False)
class ImageFiles:
    """Files, decoded when they are needed.

    Attributes:
        paths: The files.
        channels: 3, or 1 for grey.
    """

    paths: tuple[Path, ...]
    channels: int

    def __len__(self) -> int:
        return len(self.paths)

    def fitted(self, position: int, fit: Fit) -> NDArray[np.generic]:
        """Decode and fit one file."""
        path = self.paths[position]
        return fit(decode(path, self.channels, str(path)))

    def digest(self) -> str:
        """Digest of the contents of all files."""
        return contents_digest(self.paths)


@attrs.frozen(eq=False)
class StoredImages:
    """Pixels in memory; those of the network's own size are taken as they are.

    Attributes:
        pixels: ``(N, C, H, W)`` uint8, red first or grey.
        size: Height and width of the network's input.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.pixels)

    def fitted(self, position: int, fit: Fit) -> NDArray[np.generic]:
        """One image, fitted where it is of another size."""
        image = self.pixels[position]
        return image if image.shape[1:] == self.size else fit(image)

    def digest(self) -> str:
        """Digest of all pixels."""
        digest = hashlib.sha256(f"{self.pixels.shape}".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()


@attrs.frozen(eq=False)
class ImageDataset:
    """Images that become network inputs by a preprocessing.

    Attributes:
        input: Graph input they feed.
        images: The images.
        labels: ``(N,)`` classes, or ``None``.
        shape: One sample, ``(C, H, W)`` or ``(H, W, C)``.
        preprocessing: What is done to each.
    """

    input: str
    images: Images
    labels: NDArray[np.int64] | None
    shape: tuple[int, ...]
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.images)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read and preprocess; there is no augmentation."""
        labels = None if self.labels is None else self.labels[positions]
        return Batch({self.input: np.stack([self._sample(int(p)) for p in positions])}, labels)

    def digest(self) -> str:
        """Digest of pixels, labels and preprocessing."""
        digest = hashlib.sha256(f"{self.images.digest()}{self.shape}".encode())
        digest.update(self.preprocessing.wording.encode())
        for array in (self.preprocessing.mean, self.preprocessing.scale, self.labels):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def _sample(self, position: int) -> Array:
        values = self.preprocessing.values(self.images.fitted(position, self.preprocessing.fit))
        return values if channels_first(self.shape) else values.transpose(1, 2, 0)


def channels_first(shape: tuple[int, ...]) -> bool:
    """Whether one sample of images is ``(C, H, W)``, not ``(H, W, C)``."""
    return shape[0] in (1, 3)


def image_size(shape: tuple[int, ...]) -> tuple[int, tuple[int, int]]:
    """Channels, and height and width, of one sample of images."""
    channels, height, width = shape if channels_first(shape) else (shape[2], *shape[:2])
    return channels, (height, width)


def takes_images(shape: tuple[int, ...]) -> bool:
    """Whether a graph input is an image of one or three channels."""
    return len(shape) == 3 and bool({1, 3} & {shape[0], shape[2]})


def preprocessing_of(
    transform: Transform, own: Callable[[], Preprocessing] | None, value: ir.Value
) -> Preprocessing:
    """The network's own preprocessing; the user's settings replace its parts.

    Without an own one: bilinear resize (Pillow's), red first, values 0 to 255.

    Raises:
        DataError: the own one cannot be opened, or the user's numbers do not fit the channels.
    """
    count, size = image_size(sample_shape(value))
    chosen = _plain(size) if own is None else own()
    name = str(value.name)
    channels = transform.channels or chosen.channels
    return Preprocessing(
        chosen.fit,
        _by_channel(transform.mean, count, name, chosen.mean),
        _by_channel(transform.scale, count, name, chosen.scale),
        channels,
        f"{chosen.wording}|{channels}",
    )


def _by_channel(
    numbers: tuple[float, ...] | None, channels: int, name: str, otherwise: Array
) -> Array:
    if numbers is None:
        return otherwise
    if len(numbers) not in (1, channels):
        raise DataError(f"{len(numbers)} values for the {channels} channels of input '{name}'")
    return np.array(numbers, np.float32).reshape(-1, 1, 1)


def _plain(size: tuple[int, int]) -> Preprocessing:
    """The default where the network's files say nothing."""

    def fit(image: NDArray[np.uint8]) -> NDArray[np.generic]:
        images = pillow()
        whole = images.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
        resized = np.asarray(whole.resize(size[::-1], images.Resampling.BILINEAR))
        return resized[None] if len(image) == 1 else resized.transpose(2, 0, 1)

    zero, one = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
    return Preprocessing(fit, zero, one, "rgb", f"bilinear {size}")


def open_images(
    path: Path,
    transform: Transform,
    inputs: Sequence[ir.Value],
    own: Callable[[], Preprocessing] | None = None,
) -> ImageDataset:
    """Open a folder or a list file ("path" or "path label" a line, relative to the list).

    Args:
        path: Folder or list.
        transform: What the user says.
        inputs: What they feed.
        own: The network's own preprocessing.

    Raises:
        DataError: no images, a missing file, a line that is neither, or several inputs.
    """
    value = image_input(path, inputs)
    shape = sample_shape(value)
    if not takes_images(shape):
        raise DataError(f"{path}: input '{value.name}' of shape {shape} takes no images")
    paths, labels = _folder(path) if path.is_dir() else _listed(path)
    if not paths:
        raise DataError(
            f"{path}: no images; give a folder with one sub-folder a class, or a list file"
        )
    files = ImageFiles(tuple(paths), image_size(shape)[0])
    preprocessing = preprocessing_of(transform, own, value)
    return ImageDataset(value.name or "", files, labels, shape, preprocessing)


def _folder(path: Path) -> tuple[list[Path], NDArray[np.int64] | None]:
    classes = sorted(
        child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")
    )
    if not classes:
        return [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES], None
    found = [
        (image, label)
        for label, folder in enumerate(classes)
        for image in sorted(folder.iterdir())
        if image.suffix.lower() in SUFFIXES
    ]
    return [image for image, _ in found], np.array([label for _, label in found], np.int64)


def _listed(path: Path) -> tuple[list[Path], NDArray[np.int64] | None]:
    paths: list[Path] = []
    labels: list[str] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not _is_class(label):
            name, label = line.strip(), ""
        image = path.parent / name
        if not os.path.isfile(image):  # unlike Path.is_file it never raises
            shown = name if len(name) < 100 else f"{name[:100]}…"
            raise DataError(f"{path}:{number}: no image {shown!r} beside the list")
        if paths and bool(label) != bool(labels[0]):
            raise DataError(
                f"{path}:{number}: {'a' if label else 'no'} label, unlike the lines before; "
                "give every line one, or none"
            )
        paths.append(image)
        labels.append(label)
    return paths, np.array(labels, np.int64) if all(labels) and labels else None


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path}: not a file")
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        number = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{number}: not UTF-8 text; a list holds one image path a line"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _is_class(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) < 10
