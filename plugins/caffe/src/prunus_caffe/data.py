"""A data layer as a `prunus.task.Dataset`."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Batch, DataError
from prunus_caffe.datasets.databases import open_database
from prunus_caffe.datasets.sources import (
    Reader,
    open_hdf5,
    open_list,
)
from prunus_caffe.datasets.transform import Transform, transform_of
from prunus_caffe.records.layers import LayerRecord
from prunus_caffe.schema import message

READ = frozenset({"Data", "ImageData", "HDF5Data"})
"""Layer types that name their samples; the others are fed from outside."""


@attrs.frozen(eq=False, slots=False)
class LayerData:
    """Samples of one data layer, transformed as it says.

    Attributes:
        input: Graph input they feed.
        reader: The samples.
        transform: What happens to them.
        labelled: Whether the layer has a label top.
        wording: Text of the layer, for the digest.
    """

    input: str
    reader: Reader
    transform: Transform
    labelled: bool
    wording: str

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read and transform; ``rng`` asks for random crops and mirroring."""
        found = [self.reader.sample(int(position)) for position in positions]
        shapes = {image.shape for image, _ in found}
        images = [self.transform.apply(image, rng) for image, _ in found]
        if len({image.shape for image in images}) > 1:
            raise DataError(
                f"samples of different sizes {sorted(shapes)} feed '{self.input}'; set crop_size "
                "or new_height and new_width in the data layer"
            )
        labels = np.array([label for _, label in found], np.int64) if self.labelled else None
        return Batch({self.input: np.stack(images)}, labels)

    def digest(self) -> str:
        """Digest of the layer's text, its mean and all samples as they are stored."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.wording}|{self.reader.digest()}".encode())
        digest.update(np.ascontiguousarray(self.transform.mean).data)
        return digest.hexdigest()[:16]


def open_layer(layer: LayerRecord, base: Path) -> LayerData:
    """Open a data layer; relative paths start from ``base`` (Caffe: the working directory).

    Raises:
        DataError: the samples are missing, empty or of an unknown kind.
    """
    reader = _reader(layer, base)
    if not len(reader):
        raise DataError(f"{_source(layer)}: no samples (layer '{layer.name}')")
    channels = reader.sample(0)[0].shape[0]
    chosen = transformation(layer)
    transform = transform_of(layer.name, chosen, channels, base)
    wording = f"{layer.type}|{_source(layer)}|{chosen}"
    return LayerData(layer.tops[0], reader, transform, len(layer.tops) > 1, wording)


def transformation(layer: LayerRecord) -> Any:
    """TransformationParameter of a data layer.

    Old layers have these fields in ``data_param`` or ``image_data_param`` (Caffe's
    ``UpgradeNetDataTransformation``).
    """
    chosen = message("TransformationParameter")()
    chosen.CopyFrom(layer.params.transform_param)
    if layer.v1 and layer.type in ("Data", "ImageData"):
        data = layer.type == "Data"
        old = layer.params.data_param if data else layer.params.image_data_param
        for name in ("scale", "mean_file", "crop_size", "mirror"):
            if old.HasField(name):
                setattr(chosen, name, getattr(old, name))
    return chosen


def _reader(layer: LayerRecord, base: Path) -> Reader:
    params = layer.params
    if layer.type == "Data":
        path = base / params.data_param.source
        chosen = params.transform_param
        forced = chosen.force_color or chosen.force_gray
        return open_database(path, layer.name, bool(chosen.force_color) if forced else None)
    if layer.type == "ImageData":
        chosen = params.image_data_param
        size = (chosen.new_height, chosen.new_width) if chosen.new_height else None
        return open_list(base / chosen.source, chosen.root_folder, chosen.is_color, size)
    if layer.type == "HDF5Data":
        label = layer.tops[1] if len(layer.tops) > 1 else None
        return open_hdf5(base / params.hdf5_data_param.source, layer.tops[0], label)
    raise DataError(f"layer '{layer.name}' of type '{layer.type}' is fed from outside; give --data")


def _source(layer: LayerRecord) -> str:
    fields = {"Data": "data_param", "ImageData": "image_data_param", "HDF5Data": "hdf5_data_param"}
    return str(getattr(layer.params, fields[layer.type]).source)
