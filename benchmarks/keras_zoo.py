"""Keras models, whole and halved: does Keras agree, what does it cost, what is gained?

    python benchmarks/keras_zoo.py [NAME…]

Random weights for keras.applications, small inputs; the shared models with their own. Every
model is read, halved group by group, written, loaded by plain Keras and compared with the
masked network. ResNet50 at its full size is timed step by step at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from networks import SHARED
from results import write_section

import prunus
from prunus.testing import cut
from prunus_tensorflow.api import prune
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.testing.compare import difference, feed_for, keras_outputs, neutral, written
from prunus_tensorflow.testing.networks import NETWORKS
from prunus_tensorflow.testing.random_weights import randomise

SIZES = {
    "ResNet50": 64,
    "ResNet50V2": 64,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "DenseNet121": 64,
    "InceptionV3": 96,
    "InceptionResNetV2": 96,
    "Xception": 96,
    "VGG16": 32,
    "NASNetMobile": 64,
    "ConvNeXtTiny": 64,
}
TRAINED = (
    "resnet8_cifar10/pretrainedResnet.h5",
    "mini_xception_fer/fer2013_mini_XCEPTION.119-0.65.hdf5",
    "cifar10_keras/cifar10_cnn.keras",
)
HEADER = [
    "model",
    "groups",
    "params",
    "halved",
    "MACs removed",
    "neutral − Keras",
    "written − masked",
    "s load",
    "s write",
    "notes",
]


def main() -> None:
    chosen = sys.argv[1:]
    rows = []
    for name, make in models().items():
        if not chosen or name in chosen:
            with tempfile.TemporaryDirectory() as text:
                rows.append(measure(name, make(Path(text)), Path(text)))
            print(" | ".join(rows[-1]), flush=True)
    if not chosen:
        write_section(
            "Keras models",
            HEADER,
            rows,
            "Every group halved at random; relative error against Keras itself, and of the "
            "written file loaded by plain Keras against the masked network (keras_zoo.py)",
        )
    if not chosen or "full" in chosen:
        full_size()


def models() -> dict[str, Callable[[Path], Path]]:
    """Model name -> maker of its file in a directory."""
    tensorflow()
    import keras

    found: dict[str, Callable[[Path], Path]] = {}
    for name, size in SIZES.items():
        found[name] = _maker(name, _application(getattr(keras.applications, name), size))
    for name, build in NETWORKS.items():
        found[name] = _maker(name, build)
    for text in TRAINED:
        path = SHARED / "models/tensorflow" / text
        if path.exists():
            found[path.stem] = _existing(path)
    return found


def _application(build: Callable[..., Any], size: int) -> Callable[[], Any]:
    return lambda: build(
        weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None
    )


def _maker(name: str, build: Callable[[], Any]) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        path = directory / f"{name}.keras"
        randomise(build()).save(path)
        return path

    return make


def _existing(path: Path) -> Callable[[Path], Path]:
    return lambda _: path


def measure(name: str, path: Path, directory: Path) -> list[str]:
    """One row."""
    import keras

    start = time.perf_counter()
    network = prunus.load(path)
    loaded = time.perf_counter() - start
    feed = feed_for(network)
    shown = {v.name or "": feed[v.name or ""] for v in network.model.graph.inputs}
    if "Resnet" in path.stem:
        shown = feed = {key: 60 * array + 128 for key, array in feed.items()}  # raw pixels
    own = difference(keras_outputs(network.origin.model, network, shown), neutral(network, feed))
    one = cut(network)
    start = time.perf_counter()
    files = written(one, directory / "out", "compact", path.name)
    wrote = time.perf_counter() - start
    with quiet():
        plain = keras.models.load_model(files.model, compile=False)
    theirs = difference(keras_outputs(plain, network, shown), neutral(one.masked, feed))
    smaller = attrs.evolve(network, model=one.compact.model)
    removed = 1 - prunus.stat(smaller).macs / prunus.stat(network).macs
    before = network.origin.model.count_params()
    return [
        name,
        str(len(one.grouping.groups)),
        f"{before:,}",
        f"{plain.count_params():,}",
        f"{removed:.0%}",
        f"{own:.1e}",
        f"{theirs:.1e}",
        f"{loaded:.1f}",
        f"{wrote:.1f}",
        "; ".join(network.notes) or "",
    ]


def full_size() -> None:
    """ResNet50 at 224 pixels, rate 0.5: seconds, bytes, milliseconds of ``model.predict``."""
    import keras

    model = randomise(keras.applications.ResNet50(weights=None, classifier_activation=None))
    start = time.perf_counter()
    small = prune(model, 0.5, criterion="l1", allocation="uniform").model
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as text:
        sizes, counts = [], []
        for position, one in enumerate((model, small)):
            path = Path(text) / f"{position}.keras"
            one.save(path)
            sizes.append(path.stat().st_size)
            counts.append(prunus.stat(prunus.load(path)).macs)
    times = [_latency(one) for one in (model, small)]
    rows = [
        [
            title,
            f"{one.count_params():,}",
            f"{macs:,}",
            f"{size:,}",
            f"{single:.1f}",
            f"{batch:.1f}",
        ]
        for title, one, macs, size, (single, batch) in zip(
            ("original", "rate 0.5"), (model, small), counts, sizes, times, strict=True
        )
    ]
    write_section(
        "ResNet50 in Keras at full size",
        ["model", "params", "MACs", "bytes", "ms predict, 1 image", "ms an image, batch 16"],
        rows,
        f"Reading, choosing, folding, compaction, proof and building took {seconds:.1f} s "
        "(goal: 60). benchmarks/keras_zoo.py full",
    )


def _latency(model: Any) -> tuple[float, float]:
    images = np.random.default_rng(0).random((16, 224, 224, 3), np.float32)
    results = []
    for count in (1, 16):
        batch = images[:count]
        model.predict(batch, verbose=0)
        best = np.inf
        for _ in range(8):
            start = time.perf_counter()
            model.predict(batch, verbose=0)
            best = min(best, time.perf_counter() - start)
        results.append(best * 1e3 / count)
    return results[0], results[1]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
