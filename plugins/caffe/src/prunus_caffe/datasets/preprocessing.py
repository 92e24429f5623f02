"""Caffe's preprocessing for any image: resize, crop and transform as in the file's data layer.

Format facts: ``convert_imageset`` and ``ImageData`` decode and resize with OpenCV, blue first;
``data_transformer.cpp`` crops, subtracts the mean at the crop's position, then scales.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import DataError, Preprocessing
from prunus_caffe.data import READ, open_layer, transformation
from prunus_caffe.datasets.images import resize
from prunus_caffe.datasets.transform import Transform, transform_of
from prunus_caffe.records.layers import LayerRecord, NetRecord

Size = tuple[int, int]

PLAIN = Transform(1.0, (0, 0), False, np.zeros((1, 1, 1), np.float32))
"""Of a file without a data layer: blue first, 0 to 255, as Caffe's readers give."""


def preprocessing_of(net: NetRecord) -> Preprocessing:
    """The preprocessing of a network's first input.

    Raises:
        DataError: the mean file of the data layer is missing or broken.
    """
    channels, *size = next(iter(net.sample_shapes.values()))
    wanted = size[0], size[1]
    layer = _layer(net)
    if layer is None:
        return _value(PLAIN, wanted, wanted, "no data layer")
    chosen = transformation(layer)
    transform = transform_of(layer.name, chosen, channels, Path())
    return _value(transform, _stored_size(layer, transform) or wanted, wanted, str(chosen))


def reads_images(net: NetRecord) -> bool:
    """Whether the network has one input, of images of one or three channels."""
    shapes = list(net.sample_shapes.values())
    return len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][0] in (1, 3)


def _layer(net: NetRecord) -> LayerRecord | None:
    """The layer that says it: of the evaluation's phase first, one that reads samples first."""
    layers = (*net.phase("TEST"), *net.phase("TRAIN"))
    reading = [layer for layer in layers if layer.type in READ]
    telling = [layer for layer in layers if layer.params.HasField("transform_param")]
    return next(iter((*reading, *telling)), None)


def _stored_size(layer: LayerRecord, transform: Transform) -> Size | None:
    """Height and width that images have before the crop, as far as the files tell.

    That is ``new_height`` and ``new_width``, the mean image's size, or that of the database's
    first image.
    """
    if layer.type == "ImageData" and layer.params.image_data_param.new_height:
        chosen = layer.params.image_data_param
        return int(chosen.new_height), int(chosen.new_width)
    if transform.mean.shape[1:] != (1, 1):
        return int(transform.mean.shape[1]), int(transform.mean.shape[2])
    if layer.type != "Data" or not any(transform.crop):
        return None
    try:
        shape = open_layer(layer, Path()).reader.sample(0)[0].shape
    except DataError:
        return None  # the database is elsewhere: whole images become the crop
    return int(shape[1]), int(shape[2])


def _value(transform: Transform, stored: Size, wanted: Size, wording: str) -> Preprocessing:
    if stored[0] < wanted[0] or stored[1] < wanted[1]:
        if transform.mean.shape[1:] == stored:
            raise DataError(
                f"mean_file holds {stored[0]}×{stored[1]} pixels, the network reads "
                f"{wanted[0]}×{wanted[1]}"
            )
        stored = wanted
    window = tuple(
        slice((full - part) // 2, (full - part) // 2 + part)
        for full, part in zip(stored, wanted, strict=True)
    )

    def fit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        fitted: NDArray[np.uint8] = resize(image, stored)[:, window[0], window[1]]
        return fitted

    mean = transform.mean
    if mean.shape[1:] == stored:
        mean = mean[:, window[0], window[1]]
    scale = np.full((1, 1, 1), transform.scale, np.float32)
    return Preprocessing(fit, mean, scale, "bgr", f"Caffe {stored}{wanted}{wording}")
