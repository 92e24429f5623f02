"""Engine ``opencv``: OpenCV's DNN module on the processor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import (
    Descriptor,
    Engine,
    ModelError,
    Network,
    Running,
    Sample,
    Written,
    hookimpl,
)

ENGINE = "opencv"

_DISTRIBUTIONS = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""All of them are the module ``cv2``; the first is what is missing where none is there."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One engine."""
    return (Engine(ENGINE, "OpenCV DNN on the processor", _version),)


@hookimpl
def prunus_convert(engine: str, network: Network, files: Written, directory: Path) -> Written:
    """It reads ONNX files as they are."""
    return files


@hookimpl
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running:
    """OpenCV has one number of threads for the whole process: it is set before each run."""
    import cv2

    try:
        net = cv2.dnn.readNetFromONNX(str(files.model))
        net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    except cv2.error as error:
        raise ModelError(f"OpenCV refuses the network: {_said(error)}") from error
    outputs = [value.name or "" for value in network.model.graph.outputs]
    layers = net.getUnconnectedOutLayersNames()

    def run(sample: Sample) -> Mapping[str, NDArray[np.float32]]:
        cv2.setNumThreads(threads)
        try:
            for name, array in sample.items():
                net.setInput(array, name)
            found = net.forward(layers)
        except cv2.error as error:
            raise ModelError(f"OpenCV stopped: {_said(error)}") from error
        return dict(zip(outputs, _in_order(found, outputs, layers), strict=False))

    return Running(run)


def _in_order(
    found: Iterable[NDArray[np.float32]], outputs: list[str], layers: Iterable[str]
) -> list[NDArray[np.float32]]:
    """Answers in the order of the graph's outputs: OpenCV names an ONNX node by its output."""
    named = {
        layer.removeprefix("onnx_node_output_0!"): np.array(array)
        for layer, array in zip(layers, found, strict=True)
    }
    if all(name in named for name in outputs):
        return [named[name] for name in outputs]
    return list(named.values())


def _version() -> str:
    for name in _DISTRIBUTIONS:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise PackageNotFoundError(_DISTRIBUTIONS[0])


def _said(error: Exception) -> str:
    """The first line of OpenCV's words, without the path of its source."""
    return str(error).strip().splitlines()[0].rpartition("error: ")[2]
