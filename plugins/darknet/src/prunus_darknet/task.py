"""Evaluation and training settings in a Darknet network's own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import (
    DataError,
    Dataset,
    Fidelity,
    Metric,
    ModelError,
    Network,
    Preprocessing,
    Source,
    Task,
    Top,
)
from prunus_darknet.boxes.average_precision import VOC, MeanAveragePrecision, Rules
from prunus_darknet.boxes.decode import decoded_heads
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.data import is_data_file, open_data
from prunus_darknet.datasets.images import Array, unit
from prunus_darknet.datasets.preprocessing import letterboxed, view_of
from prunus_darknet.origin import Origin
from prunus_darknet.recipe import notes_of, recipe_of

DATACFG = "datacfg"
"""Option that names the ``.data`` file, as the key of vai_p_darknet does."""


def task_of(network: Network, source: Source) -> Task:
    """Recipe and metric of the cfg; samples if a ``.data`` file is named.

    That is ``--data`` where it is one (it names both training and held-out images), else the
    option ``datacfg``.

    Raises:
        ModelError: a training setting of the cfg cannot be used.
    """
    data = source.task.data
    spec = data if data and is_data_file(data) else source.options.get(DATACFG)
    usable = broken_head(network) is None

    def opened() -> Preprocessing:
        return preprocessing_of(network)

    return Task(
        evaluation=None if spec is None else _opener(spec, network, training=False),
        training=None if spec is None else _opener(spec, network, training=True),
        metric=metric_of(network) if usable else None,
        recipe=recipe_of(network) if usable else None,
        preprocessing=opened if usable and reads_images(network) else None,
    )


def preprocessing_of(network: Network) -> Preprocessing:
    """Preprocessing of the network's fork of Darknet: red first, 0 to 1, its own resize."""
    view = view_of(network)

    def fit(image: NDArray[np.uint8]) -> Array:
        return view.fit(unit(image))[0] * np.float32(255)

    zero = np.zeros((1, 1, 1), np.float32)
    return Preprocessing(fit, zero, zero + np.float32(1 / 255), "rgb", f"Darknet {view}")


def reads_images(network: Network) -> bool:
    """Whether the network takes images of one or three channels."""
    origin = network.origin
    assert isinstance(origin, Origin)
    return origin.structure.input.image and origin.structure.input.c in (1, 3)


def broken_head(network: Network) -> str | None:
    """The error of a box-decoding layer: it can be neither trained nor measured."""
    try:
        heads_of(network)
    except ModelError as error:
        return str(error)
    return None


def metric_of(network: Network) -> Metric | None:
    """Mean average precision of a detector; top-1 of a classifier's softmax."""
    heads = heads_of(network)
    if heads:
        trees = any(head.tree for head in heads)
        return Fidelity() if trees else mean_average_precision(network, VOC)
    last = str(network.model.graph.outputs[-1].name)
    return Top(1, last) if last.endswith((":softmax", ":logistic")) else None


def mean_average_precision(network: Network, rules: Rules) -> MeanAveragePrecision:
    """Mean average precision of a network with box-decoding layers.

    Raises:
        UsageError: the network has none, or one is not decoded here.
    """
    return MeanAveragePrecision(decoded_heads(network, f"metric {rules.name}"), rules)


def task_notes(network: Network) -> tuple[str, ...]:
    """Preprocessing of a detector's images, and differences in its training."""
    origin = network.origin
    assert isinstance(origin, Origin)
    notes = (*_recipe_note(origin), *notes_of(origin.recipe, origin.structure, origin.dialect))
    broken = broken_head(network)
    if broken is not None:
        return (f"{broken}; until then this network can only be pruned", *notes)
    if not heads_of(network) or origin.dialect.is_pjreddie:
        return notes
    how = "letterboxed" if letterboxed(origin.cfg.net, True) else "resized without letterbox"
    return (f"{origin.cfg.path.name}: images are {how}, as AlexeyAB's Darknet does", *notes)


def _recipe_note(origin: Origin) -> tuple[str, ...]:
    """Says so if hyper-parameters come from another file than the network's."""
    used, own = ({e.key: e.value for e in cfg.net.entries} for cfg in (origin.recipe, origin.cfg))
    return () if used == own else (f"{origin.recipe.path}: its [net] is the training recipe",)


def _opener(spec: str, network: Network, *, training: bool) -> Callable[[], Dataset]:
    def opened() -> Dataset:
        dataset = open_data(spec, network, training)
        if dataset is None:
            raise DataError(f"{Path(spec)}: datacfg names a Darknet .data file")
        return dataset

    return opened
