"""OpenCV DNN's own Darknet importer: the second opinion, and the only one for AlexeyAB's layers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from prunus.plugin import Network
from prunus_darknet.origin import Origin
from prunus_darknet.testing.compare import Difference, compare_layers, random_input
from prunus_darknet.testing.real_darknet import Array

_ACTIVATIONS = frozenset({"leaky", "relu", "mish", "swish", "logistic", "tanh", "relu6"})
_HEADS = frozenset({"yolo", "region", "permute", "detection"})


def opencv_layers(cfg: Path, weights: Path, data: Array, wanted: Iterable[int]) -> dict[int, Array]:
    """Outputs of Darknet layers as OpenCV computes them.

    OpenCV names its layers ``conv_3``, ``bn_3``, and the activation after them
    ``leaky_4`` (``darknet_io.cpp``): the last of them is Darknet's layer 3.
    """
    import cv2

    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.enableFusion(False)
    names: dict[int, str] = {}
    for name in net.getLayerNames():
        prefix, _, number = name.rpartition("_")
        if prefix in _HEADS or not number.isdigit():
            continue
        names[int(number) - (prefix in _ACTIVATIONS)] = name
    chosen = [index for index in wanted if index in names]
    net.setInput(data[None])
    arrays = net.forward([names[index] for index in chosen])
    return {
        index: np.asarray(array, np.float32) for index, array in zip(chosen, arrays, strict=True)
    }


def compare_with_opencv(
    network: Network, cfg: Path, weights: Path, data: Array | None = None
) -> Difference:
    """Every lowered layer that OpenCV names too, on one sample (random without ``data``).

    The network is to be loaded with ``normalization=opencv``: OpenCV divides by
    sqrt(variance + 1e-6).
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    if data is None:
        data = random_input(origin.structure.input, 0)
    indices = range(len(origin.structure.layers))
    return compare_layers(network, opencv_layers(cfg, weights, data, indices), data)
