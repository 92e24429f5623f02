"""Data for write-back: origin of each initializer, and the files as read."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Source
from prunus_caffe.caffemodel import WeightFile
from prunus_caffe.records.layers import NetRecord

Array = NDArray[np.float32]


@attrs.frozen
class Parameter:
    """Native position and form of one initializer.

    Attributes:
        layers: Layers that hold it: the owner, then those that share it by name.
        index: Blob number within the first of them.
        indices: Blob number within each.
        axes: Axes of the initializer that are the blob's axes, in the blob's order;
            the others have size 1.
        factor: Initializer = blob divided by BatchNorm's third blob.
    """

    layers: tuple[str, ...]
    indices: tuple[int, ...]
    axes: tuple[int, ...]
    factor: bool = False

    @property
    def index(self) -> int:
        """Blob number within the owner."""
        return self.indices[0]

    def native(self, array: Array) -> Array:
        """The initializer in the blob's shape."""
        rest = [axis for axis in range(array.ndim) if axis not in self.axes]
        turned = array.transpose([*rest, *self.axes])
        return turned.reshape([array.shape[axis] for axis in self.axes])


@attrs.frozen(eq=False)
class Origin:
    """The files of a loaded network.

    Attributes:
        net: Records and text of the prototxt.
        weights: The caffemodel.
        parameters: Initializer name -> native position.
        source: What the user pointed at, options included.
    """

    net: NetRecord
    weights: WeightFile
    parameters: Mapping[str, Parameter]
    source: Source
