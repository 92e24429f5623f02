"""Prunes a network, writes it, and compares what was written with the masked network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Destination, Written
from prunus.testing.cut import Cut
from prunus_darknet.origin import Origin
from prunus_darknet.testing.compare import Difference, compare_layers, real_layers
from prunus_darknet.testing.opencv import opencv_layers
from prunus_darknet.write import write

Array = NDArray[np.float32]


def written(cut_network: Cut, directory: Path, stage: str = "compact") -> Written:
    """Write one stage into a fresh directory."""
    directory.mkdir()
    destination = Destination(directory, stage)
    return write(cut_network.masked, cut_network.compact, destination)


def compare_compact_with_darknet(cut_network: Cut, files: Written, data: Array) -> Difference:
    """Real Darknet on the compact files against the masked graph, kept channels of all layers."""
    origin = cut_network.network.origin
    assert isinstance(origin, Origin)
    assert files.weights is not None
    real = real_layers(origin.structure, files.model, files.weights, data)
    return compare_layers(cut_network.masked, real, data, cut_network.compact.kept)


def compare_compact_with_opencv(cut_network: Cut, files: Written, data: Array) -> Difference:
    """The same in OpenCV DNN."""
    origin = cut_network.network.origin
    assert isinstance(origin, Origin)
    assert files.weights is not None
    indices = range(len(origin.structure.layers))
    real = opencv_layers(files.model, files.weights, data, indices)
    return compare_layers(cut_network.masked, real, data, cut_network.compact.kept)
