"""Samples from image files: a folder with one sub-folder a class, or a list file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import DataError
from prunus.evaluation.transform import Transform, image_input, per_channel, sample_shape
from prunus.task import Array, Batch

if TYPE_CHECKING:
    from types import ModuleType

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp"})


@attrs.frozen(eq=False)
class ImageDataset:
    """Images read when they are needed, resized to the network's input (bilinear).

    Attributes:
        input: Graph input they feed.
        paths: Image files.
        labels: ``(N,)`` classes, or ``None``.
        shape: One sample, ``(C, H, W)`` or ``(H, W, C)``.
        mean, scale: ``(x - mean) * scale`` on values 0 to 255.
        bgr: Blue first.
    """

    input: str
    paths: tuple[Path, ...]
    labels: NDArray[np.int64] | None
    shape: tuple[int, ...]
    mean: Array
    scale: Array
    bgr: bool

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read and resize; there is no augmentation."""
        pixels = np.stack([self._pixels(self.paths[position]) for position in positions])
        labels = None if self.labels is None else self.labels[positions]
        return Batch({self.input: ((pixels - self.mean) * self.scale).astype(np.float32)}, labels)

    def digest(self) -> str:
        """Digest of file names, sizes, labels and transformation."""
        wording = [f"{path}:{path.stat().st_size}" for path in self.paths]
        digest = hashlib.sha256("\n".join(wording).encode())
        digest.update(f"{self.shape}{self.mean.tolist()}{self.scale.tolist()}{self.bgr}".encode())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()[:16]

    def _pixels(self, path: Path) -> Array:
        images = pillow()
        first = self.shape[0] in (1, 3)
        channels = self.shape[0] if first else self.shape[2]
        height, width = self.shape[1:] if first else self.shape[:2]
        try:
            with images.open(path) as image:
                fitted = image.convert("RGB" if channels == 3 else "L")
                fitted = fitted.resize((width, height), images.Resampling.BILINEAR)
                pixels = np.asarray(fitted, np.float32).reshape(height, width, channels)
        except OSError as error:
            raise DataError(f"{path}: not a readable image ({error})") from error
        if self.bgr:
            pixels = pixels[..., ::-1]
        return pixels.transpose(2, 0, 1) if first else pixels


def open_images(path: Path, transform: Transform, inputs: Sequence[ir.Value]) -> ImageDataset:
    """Open a folder or a list file ("path" or "path label" a line, relative to the list).

    Raises:
        DataError: no images, a missing file, a line that is neither, or several inputs.
    """
    value = image_input(path, inputs)
    shape = sample_shape(value)
    if len(shape) != 3 or not {1, 3} & {shape[0], shape[2]}:
        raise DataError(f"{path}: input '{value.name}' of shape {shape} takes no images")
    paths, labels = _folder(path) if path.is_dir() else _listed(path)
    if not paths:
        raise DataError(
            f"{path}: no images; give a folder with one sub-folder a class, or a list file"
        )
    mean, scale = per_channel(transform.mean, value), per_channel(transform.scale, value)
    bgr = transform.channels == "bgr"
    return ImageDataset(value.name or "", tuple(paths), labels, shape, mean, scale, bgr)


def pillow() -> ModuleType:
    """The PIL.Image module.

    Raises:
        DataError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            "reading images needs Pillow; install it with: pip install pillow"
        ) from error
    return Image


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
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdigit():
            name, label = line.strip(), ""
        image = path.parent / name
        if not image.is_file():
            raise DataError(f"{path}:{number}: no image '{name}' beside the list")
        if paths and bool(label) != bool(labels[0]):
            raise DataError(
                f"{path}:{number}: {'a' if label else 'no'} label, unlike the lines before; "
                "give every line one, or none"
            )
        paths.append(image)
        labels.append(label)
    return paths, np.array(labels, np.int64) if all(labels) and labels else None
