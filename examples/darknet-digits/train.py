"""Train digits.cfg from nothing: how digits.weights was made.

Usage: python train.py DIRECTORY. DIRECTORY holds what scenes.py wrote; the trained weights are
written there as digits.weights. Takes about ten minutes on two cores; what was stopped goes on
from the newest snapshot.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compaction.compact import identity
from prunus.descriptors import Format, Trainer
from prunus.host import start
from prunus.network import Destination
from prunus.settings import Settings
from prunus.steps.loaded import evaluator_for, load, open_samples
from prunus.training import Progress, TrainingJob
from prunus.training.scatter import with_weights
from prunus_darknet.cfg import read_cfg
from prunus_darknet.dialect import dialect_of
from prunus_darknet.records.layers import Blob, Layer
from prunus_darknet.records.structure import read_structure
from prunus_darknet.weights import NEW_HEADER, stored_order, write_weights

HERE = Path(__file__).resolve().parent


def write_initial(cfg: Path, path: Path, seed: int = 0) -> None:
    """A weights file to train from: uniform filters as `make_convolutional_layer` draws them."""
    parsed = read_cfg(cfg)
    rng = np.random.default_rng(seed)
    structure = read_structure(parsed, dialect_of(parsed, None, None))

    def runs() -> Iterator[NDArray[np.float32]]:
        for layer in structure.layers:
            for blob in layer.blobs:
                yield stored_order(initial(layer, blob, rng), blob)

    write_weights(path, NEW_HEADER, runs())


def initial(layer: Layer, blob: Blob, rng: np.random.Generator) -> NDArray[np.float32]:
    """First values of one run of weights."""
    if blob.role == "weight":
        scale = np.sqrt(2 * layer.output.c / blob.size)
        return (scale * rng.uniform(-1, 1, blob.shape)).astype(np.float32)
    return np.full(blob.shape, blob.role in ("scale", "variance"), np.float32)


def fit(cfg: Path, weights: Path, data: Path, folder: Path) -> float:
    """Train all weights by the recipe of the cfg; gives the metric on the held-out samples.

    Args:
        cfg: The network.
        weights: Where to begin.
        data: Darknet's ``.data`` file.
        folder: Where snapshots and the trained ``<cfg stem>.weights`` go.
    """
    host = start()
    settings = Settings(model=cfg, weights=weights, data=str(data))
    loaded = load(host, settings)
    network, whole = loaded.network, identity(loaded.network)
    evaluator = evaluator_for(loaded, settings, network)
    assert evaluator is not None
    assert network.task.recipe is not None
    folder.mkdir(exist_ok=True)
    job = TrainingJob(
        network=network,
        compact=whole,
        recipe=attrs.evolve(network.task.recipe, snapshot=200),
        training=open_samples(loaded, str(data), training=True),
        evaluate=lambda found: evaluator.measure(with_weights(whole, found).model),
        teacher=None,
        workspace=folder,
        resume=True,
        seed=0,
        report=show,
    )
    found = host.call(Trainer, "torch", "prunus_finetune", job=job)
    final = network.with_weights(found)
    host.call(
        Format,
        "darknet",
        "prunus_compact",
        network=final,
        compact=identity(final),
        destination=Destination(folder, "masked", f"{cfg.stem}.weights"),
    )
    return evaluator.measure(final.model).value


def show(progress: Progress) -> None:
    """A line now and then."""
    if progress.iteration % 50 == 0 or progress.iteration == progress.iterations:
        metric = "" if progress.metric is None else f" metric {progress.metric.value:.4f}"
        print(
            f"{progress.iteration}/{progress.iterations} loss {progress.loss:.3f} "
            f"rate {progress.learning_rate:.2g}{metric}",
            flush=True,
        )


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    write_initial(HERE / "digits.cfg", directory / "initial.weights")
    value = fit(
        HERE / "digits.cfg",
        directory / "initial.weights",
        directory / "digits.data",
        directory / "training",
    )
    (directory / "training/digits.weights").replace(directory / "digits.weights")
    print(f"held-out mAP {value:.4f}")
