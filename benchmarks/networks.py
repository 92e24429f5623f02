"""Trained networks and real samples the benchmarks share.

The shared models lie outside the project: PRUNUS_SHARED names their folder, the folder
``shared`` beside the checkout is the default.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import prunus
from prunus import Network
from prunus.plugin import ArrayDataset

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PRUNUS_SHARED", ROOT.parent / "shared")) / "data"


def read(
    model: Path, weights: Path | None = None, options: Mapping[str, str] | None = None
) -> Network:
    """Load a network through its plugin."""
    return prunus.load(model, weights, options=options)


def mnist(part: str = "t10k") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 1, 28, 28) and labels of the published idx files."""
    folder = SHARED / "datasets/mnist"
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return images, labels


def cifar10(name: str = "test") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 3, 32, 32) RGB and labels."""
    stored = np.load(SHARED / f"datasets/cifar10/{name}.npz")
    return stored["x"].transpose(0, 3, 1, 2), stored["y"].astype(np.int64)


def normalised(
    network: Network, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> ArrayDataset:
    """CIFAR-10 as the shared ResNets were trained."""
    mean = np.array((0.485, 0.456, 0.406), np.float32).reshape(3, 1, 1) * 255
    scale = 1 / (np.array((0.229, 0.224, 0.225), np.float32).reshape(3, 1, 1) * 255)
    return ArrayDataset(network.model.graph.inputs[0].name or "", images, labels, mean, scale)


def lenet() -> tuple[Network, ArrayDataset]:
    """The example's LeNet on the first 2,000 MNIST test digits."""
    folder = ROOT / "examples/lenet"
    network = read(
        folder / "train_val.prototxt", folder / "lenet.caffemodel", {"input-shape": "data:1x28x28"}
    )
    images, labels = mnist()
    scale = np.full(1, 0.00390625, np.float32)
    return network, ArrayDataset("data", images[:2000], labels[:2000], scale=scale)


def cifar_quick() -> tuple[Network, ArrayDataset]:
    """Caffe's CIFAR-10 quick on 1,000 test images, mean image removed."""
    folder = SHARED / "models/caffe/cifar10_quick"
    network = read(folder / "cifar10_quick.prototxt", folder / "cifar10_quick_iter_5000.caffemodel")
    images, labels = cifar10()
    mean = cifar10("train_batch_1")[0].mean(0, dtype=np.float64).astype(np.float32)
    return network, ArrayDataset("data", images[:1000], labels[:1000], mean)


def resnet20(count: int = 10_000) -> tuple[Network, ArrayDataset]:
    """ResNet-20 on CIFAR-10 test images."""
    network = read(SHARED / "models/onnx/resnet20_cifar10.onnx")
    images, labels = cifar10()
    return network, normalised(network, images[:count], labels[:count])
