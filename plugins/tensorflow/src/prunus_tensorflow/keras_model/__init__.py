"""Keras models and SavedModels: read, lowered, written smaller."""

from __future__ import annotations

from prunus.plugin import Compact, Destination, Network, Source, Written
from prunus_tensorflow.detect import kind
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.read import load as _load_keras
from prunus_tensorflow.keras_model.write import write as _write_keras
from prunus_tensorflow.saved_model.read import load_saved_model, write_saved_model


def load(source: Source) -> Network:
    """Read a Keras model file or a SavedModel.

    Raises:
        ModelError: the files are missing or broken.
    """
    if kind(source.model) == "savedmodel":
        return load_saved_model(source)
    return _load_keras(source)


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write the kind that was read.

    Raises:
        ModelError: it cannot express the compact network.
    """
    if isinstance(network.origin, KerasOrigin):
        return _write_keras(network, compact, destination)
    return write_saved_model(network, compact, destination)
