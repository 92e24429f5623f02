"""Samples for everybody: ``.npz`` files, folders of images, list files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import DataError
from prunus.evaluation.images import (
    ImageDataset,
    StoredImages,
    image_size,
    open_images,
    preprocessing_of,
    takes_images,
)
from prunus.evaluation.npz import Npz, open_npz
from prunus.evaluation.sample_transform import (
    Transform,
    parse_spec,
    per_channel,
)
from prunus.graph.inputs import sample_inputs, sample_shape
from prunus.network import Network
from prunus.task import Batch, Dataset, Preprocessing

_AS_STORED = Transform()
_CLASSES = 2**31
"""More classes than any network has; larger numbers are none."""


@attrs.frozen(eq=False)
class ArrayDataset:
    """Samples held in memory.

    Attributes:
        input: Graph input they feed.
        samples: ``(N, ...)`` in the graph's layout, any number type.
        labels: ``(N,)`` int64 or ``None``.
        mean, scale: ``(x - mean) * scale`` gives the float32 input; broadcast.
    """

    input: str
    samples: NDArray[np.generic]
    labels: NDArray[np.int64] | None = None
    mean: NDArray[np.float32] = attrs.field(factory=lambda: np.zeros(1, np.float32))
    scale: NDArray[np.float32] = attrs.field(factory=lambda: np.ones(1, np.float32))

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read samples; there is no augmentation."""
        data = (self.samples[positions].astype(np.float32) - self.mean) * self.scale
        labels = None if self.labels is None else self.labels[positions]
        return Batch({self.input: data.astype(np.float32)}, labels)

    def digest(self) -> str:
        """Digest of samples, labels and transformation."""
        digest = hashlib.sha256(f"{self.input}{self.samples.shape}{self.samples.dtype}".encode())
        for array in (self.samples, self.labels, self.mean, self.scale):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


@attrs.frozen(eq=False)
class JointDataset:
    """Samples of a network with several inputs.

    Attributes:
        parts: The same samples, one input each; labels are the first one's.
    """

    parts: tuple[ArrayDataset, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read samples; there is no augmentation."""
        found = [part.read(positions, rng) for part in self.parts]
        inputs = {name: array for one in found for name, array in one.inputs.items()}
        return Batch(inputs, found[0].labels)

    def digest(self) -> str:
        """Digest of all parts."""
        return hashlib.sha256("".join(p.digest() for p in self.parts).encode()).hexdigest()[:16]


def open_data(spec: str, network: Network, inputs: Sequence[ir.Value] = ()) -> Dataset:
    """Open a data specification: ``.npz``, image folder, or list file.

    An ``.npz`` holds the samples as ``x`` or under the input's name, of several inputs under the
    name of each, and class numbers as ``y``.

    Args:
        spec: Path, and how samples become inputs.
        network: The network.
        inputs: What the samples feed, instead of the network's inputs.

    Raises:
        DataError: missing, empty, or not fitting the network's inputs.
    """
    path, transform = parse_spec(spec)
    if not path.exists():
        raise DataError(
            f"{path}: no such file or directory; --data takes .npz, an image folder or a list "
            "file, and settings behind it as FILE:scale=0.004,mean=1,2,3"
        )
    fed = inputs or sample_inputs(network.model)
    own = network.task.preprocessing
    if path.is_dir() or path.suffix == ".txt":
        return open_images(path, transform, fed, own)
    stored = open_npz(path)
    if len(fed) == 1:
        input_name = fed[0].name or ""
        name = input_name if input_name in stored.names and "x" not in stored.names else "x"
        return _part(stored, name, fed[0], transform, own)
    names = [value.name or "" for value in fed]
    if transform != Transform():
        raise DataError(
            f"{path}: mean, scale, channels and layout are for networks of one input; this one "
            f"has {', '.join(names)}"
        )
    parts = [_arrays(stored, name, value) for name, value in zip(names, fed, strict=True)]
    if len({len(part) for part in parts}) > 1:
        raise DataError(f"{path}: arrays {', '.join(names)} differ in number of samples")
    return JointDataset(tuple(parts))


def _part(
    stored: Npz,
    name: str,
    value: ir.Value,
    transform: Transform,
    own: Callable[[], Preprocessing] | None,
) -> Dataset:
    """Samples of a network's one input: images where the framework preprocesses images."""
    if own is None or not takes_images(sample_shape(value)):
        return _arrays(stored, name, value, transform)
    samples = _samples(stored, name)
    pixels = None if samples.dtype != np.uint8 else _pixels(samples, value, transform)
    if pixels is None:
        return _arrays(stored, name, value, transform, samples)
    shape = sample_shape(value)
    images = StoredImages(pixels, image_size(shape)[1])
    labels = _labels(stored, name, len(samples))
    preprocessing = preprocessing_of(transform, own, value)
    return ImageDataset(value.name or "", images, labels, shape, preprocessing)


def _arrays(
    stored: Npz,
    name: str,
    value: ir.Value,
    transform: Transform = _AS_STORED,
    samples: NDArray[np.generic] | None = None,
) -> ArrayDataset:
    """Array ``name`` of a file as samples of one input, its numbers as the user says."""
    found = _samples(stored, name) if samples is None else samples
    return ArrayDataset(
        value.name or "",
        arranged(stored.path, found, value, transform),
        _labels(stored, name, len(found)),
        per_channel(transform.mean or (0.0,), value),
        per_channel(transform.scale or (1.0,), value),
    )


def _samples(stored: Npz, name: str) -> NDArray[np.generic]:
    if name not in stored.names:
        known = sorted(stored.names)[:5] or "nothing"
        raise DataError(f"{stored.path}: no array '{name}' (samples), found {known}")
    samples = _numbers(stored.path, name, stored.read(name))
    if not len(samples):
        raise DataError(f"{stored.path}: no samples")
    return samples


def _labels(stored: Npz, name: str, count: int) -> NDArray[np.int64] | None:
    if "y" not in stored.names or name == "y":
        return None
    labels = _classes(stored.path, stored.read("y"))
    if len(labels) != count:
        raise DataError(f"{stored.path}: {count} samples but {len(labels)} labels")
    return labels


def _pixels(
    samples: NDArray[np.generic], value: ir.Value, transform: Transform
) -> NDArray[np.uint8] | None:
    """``(N, C, H, W)`` of bytes that are images of the network's channels; else ``None``."""
    channels, _ = image_size(sample_shape(value))
    pixels = samples.astype(np.uint8, copy=False)
    if pixels.ndim == 3 and channels == 1:
        return pixels[:, None]
    if pixels.ndim != 4 or channels not in (pixels.shape[1], pixels.shape[3]):
        return None
    last = transform.layout == "nhwc" or pixels.shape[1] != channels
    return pixels.transpose(0, 3, 1, 2) if last else pixels


def _numbers(path: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise DataError(f"{path}: '{name}' must hold numbers along a first axis of samples")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{path}: '{name}' holds NaN or infinite numbers")
    return array


def _classes(path: Path, array: NDArray[np.generic]) -> NDArray[np.int64]:
    flat = _numbers(path, "y", np.atleast_1d(array)).reshape(-1)
    classes: NDArray[np.int64] = np.clip(flat, -_CLASSES, _CLASSES).astype(np.int64)
    if not np.array_equal(classes, flat):
        raise DataError(f"{path}: labels 'y' must be whole numbers, one class a sample")
    return classes


def arranged(
    path: Path, samples: NDArray[np.generic], value: ir.Value, transform: Transform
) -> NDArray[np.generic]:
    """Bring stored samples to the graph's layout, if one reading fits."""
    wanted = sample_shape(value)
    shape = samples.shape[1:]
    if len(shape) == len(wanted) - 1 and 1 in (wanted[0], wanted[-1]):
        samples = samples[:, None] if wanted[0] == 1 else samples[..., None]
        shape = samples.shape[1:]
    fits = shape == wanted
    if len(shape) == 3 and len(wanted) == 3 and transform.layout != "nchw":
        moved = (shape[2], shape[0], shape[1])
        if moved == wanted and (not fits or transform.layout == "nhwc"):
            samples, fits = samples.transpose(0, 3, 1, 2), True
        elif (shape[1], shape[2], shape[0]) == wanted and not fits:
            samples, fits = samples.transpose(0, 2, 3, 1), True
    if not fits:
        raise DataError(
            f"{path}: samples of shape {shape} do not fit input '{value.name}' of shape {wanted}"
        )
    if transform.channels == "bgr":
        if len(wanted) != 3 or 3 not in (wanted[0], wanted[2]):
            raise DataError(
                f"{path}: channels=bgr, but input '{value.name}' of shape {wanted} has no three "
                "channels"
            )
        samples = np.flip(samples, 1 if wanted[0] == 3 else 3)
    return samples
