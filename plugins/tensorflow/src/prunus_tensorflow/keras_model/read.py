"""Model file -> Keras model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import ModelError, Network, Source, UsageError, check_hdf5
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.opening import open_model
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.user_code import load_module


def load(source: Source) -> Network:
    """Read ``.keras``, ``.h5`` or ``.hdf5``.

    Options: ``input_node_shapes`` (as vai_p_tensorflow: ``1,224,224,3``, several separated by
    ``:``) for inputs without sizes; ``custom_objects`` names a Python file or module whose
    layers and functions the model uses; ``unsafe=yes`` allows Lambda layers with stored code.

    Raises:
        ModelError: the file is missing, broken, or needs code that is not there.
        UsageError: an option cannot be used.
    """
    path = source.model
    custom = custom_objects(source.options.get("custom_objects", ""))
    unsafe = source.options.get("unsafe", "no").lower() in ("yes", "true", "1")
    opened = open_model(path, custom, unsafe)
    model = opened.model
    if source.weights is not None and source.weights != path:
        _load_weights(model, path, source.weights)
    shapes = input_shapes(source.options.get("input_node_shapes", ""))
    try:
        network = lower_model(model, path, shapes, custom, opened.uncompiled)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error.__cause__
    return attrs.evolve(network, notes=(*network.notes, *opened.notes))


def _load_weights(model: Any, path: Path, weights: Path) -> None:
    if not weights.exists():
        raise ModelError(f"{weights}: no such file; check --weights")
    try:
        if weights.suffix == ".keras":
            model.set_weights(open_model(weights, {}).model.get_weights())
        else:
            check_hdf5(weights, ModelError)
            with quiet():
                model.load_weights(weights)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{weights}: does not fit {path}: {first_line(error)}") from error


def custom_objects(specification: str) -> dict[str, Any]:
    """Public classes and functions of a Python file or module."""
    if not specification:
        return {}
    tensorflow()
    module = load_module(specification)
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }


def input_shapes(text: str) -> list[tuple[int, ...]]:
    """Shapes without the batch."""
    parts = [part for part in text.replace(";", ":").split(":") if part.strip()]
    try:
        return [tuple(int(n) for n in part.strip(" []").split(","))[1:] for part in parts]
    except ValueError as error:
        raise UsageError(
            f"input_node_shapes '{text}' cannot be read: write 1,32,32,1, several with ':'"
        ) from error
