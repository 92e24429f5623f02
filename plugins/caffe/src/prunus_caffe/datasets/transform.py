"""transform_param as Caffe applies it (``data_transformer.cpp``, DataTransformer::Transform).

value = (pixel - mean) * scale, after cropping; the mean image is read at the crop's position.
In TRAIN the crop is random and ``mirror`` flips every second image; in TEST the crop is the
centre. Caffe draws ``mirror`` in TEST too; evaluation here is deterministic and does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from prunus.plugin import DataError, read_regular
from prunus_caffe.schema import message

Array = NDArray[np.float32]


@attrs.frozen(eq=False)
class Transform:
    """One layer's transformation.

    Attributes:
        scale: Factor after the mean is removed.
        crop: Height and width of the crop, 0 for none.
        mirror: Flip half of the training images.
        mean: ``(C, H, W)`` of whole images, ``(C, 1, 1)``, or ``(1, 1, 1)``.
    """

    scale: float
    crop: tuple[int, int]
    mirror: bool
    mean: Array

    def apply(self, image: NDArray[np.generic], rng: np.random.Generator | None) -> Array:
        """Transform one ``(C, H, W)`` image; ``rng`` asks for training."""
        height, width = image.shape[1:]
        crop_height, crop_width = (
            size or full for size, full in zip(self.crop, (height, width), strict=True)
        )
        if crop_height > height or crop_width > width:
            raise DataError(
                f"an image of {height}×{width} is smaller than crop_size {crop_height}×{crop_width}"
            )
        if rng is None:
            top, left = (height - crop_height) // 2, (width - crop_width) // 2
        else:
            top = int(rng.integers(height - crop_height + 1))
            left = int(rng.integers(width - crop_width + 1))
        window = (slice(None), slice(top, top + crop_height), slice(left, left + crop_width))
        mean = self.mean if self.mean.shape[1:] == (1, 1) else self._mean_at(image, window)
        result = (image[window].astype(np.float32) - mean) * np.float32(self.scale)
        if self.mirror and rng is not None and rng.integers(2):
            result = result[:, :, ::-1]
        return np.ascontiguousarray(result)

    def _mean_at(self, image: NDArray[np.generic], window: tuple[slice, slice, slice]) -> Array:
        if self.mean.shape != image.shape:
            raise DataError(
                f"mean_file holds {_size(self.mean.shape)}, the images are {_size(image.shape)}"
            )
        return self.mean[window]


def transform_of(layer: str, chosen: Any, channels: int, base: Path) -> Transform:
    """Read a TransformationParameter.

    Args:
        layer: Layer name, for messages.
        chosen: The parameter.
        channels: Channels of the images.
        base: Directory that relative paths start from.

    Raises:
        DataError: a mean file is missing or broken, or mean values do not fit.
    """
    values = list(chosen.mean_value)
    if values and chosen.mean_file:
        raise DataError(f"layer '{layer}': give mean_file or mean_value, not both")
    if values and len(values) not in (1, channels):
        raise DataError(f"layer '{layer}': {len(values)} mean_value for {channels} channels")
    if chosen.mean_file:
        mean = read_mean(base / chosen.mean_file)
    else:
        mean = np.array(values or [0.0], np.float32).reshape(-1, 1, 1)
    crop = (chosen.crop_h or chosen.crop_size, chosen.crop_w or chosen.crop_size)
    return Transform(chosen.scale, crop, chosen.mirror, mean)


def read_mean(path: Path) -> Array:
    """A ``.binaryproto`` mean image, ``(C, H, W)``.

    Raises:
        DataError: missing or not a BlobProto.
    """
    blob = message("BlobProto")()
    try:
        blob.ParseFromString(read_regular(path))
        shape = tuple(blob.shape.dim)[-3:] or (blob.channels, blob.height, blob.width)
        return np.array(blob.data, np.float32).reshape(shape)
    except OSError as error:
        raise DataError(f"{path}: mean_file cannot be read ({error.strerror})") from error
    except (DecodeError, ValueError) as error:
        raise DataError(f"{path}: not a mean image written by compute_image_mean") from error


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
