"""Model file -> Keras model."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunus.errors import ModelError, UsageError
from prunus.network import Network, Source
from prunus_tensorflow.keras_.lower import lower_model
from prunus_tensorflow.message import first_line
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.user_code import load_module


def load(source: Source) -> Network:
    """Read ``.keras``, ``.h5`` or ``.hdf5``.

    Options: ``input_node_shapes`` (as the ancestor: ``1,224,224,3``, several separated by
    ``:``) for inputs without sizes; ``custom_objects`` names a Python file or module whose
    layers and functions the model uses; ``unsafe=yes`` allows Lambda layers with stored code.

    Raises:
        ModelError: the file is missing, broken, or needs code that is not there.
        UsageError: an option cannot be used.
    """
    path = source.model
    custom = _custom(source.options.get("custom_objects", ""))
    model, uncompiled = read_model(
        path, custom, source.options.get("unsafe", "no").lower() in ("yes", "true", "1")
    )
    if source.weights is not None and source.weights != path:
        _load_weights(model, path, source.weights)
    shapes = _given(source.options.get("input_node_shapes", ""))
    try:
        return lower_model(model, path, shapes, custom, uncompiled)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error.__cause__


def read_model(
    path: Path, custom: Mapping[str, Any], unsafe: bool = False
) -> tuple[Any, str | None]:
    """The Keras model of a file, and why its compile settings could not be restored.

    Raises:
        ModelError: see `load`.
    """
    tensorflow()
    import keras

    if not path.exists():
        raise ModelError(f"{path}: no such file; check --model")
    _check_container(path)
    reason = None
    try:
        with quiet(), keras.saving.custom_object_scope(dict(custom)):
            try:
                return keras.saving.load_model(path, safe_mode=not unsafe), None
            except Exception as error:  # noqa: BLE001 - the second attempt says what is wrong
                reason = first_line(error)
            return keras.saving.load_model(path, compile=False, safe_mode=not unsafe), reason
    except Exception as error:
        raise ModelError(f"{path}: {_explain(error)}") from error


def _check_container(path: Path) -> None:
    """Say plainly what Keras would say in many lines: not a zip, no config, truncated HDF5."""
    import h5py

    if path.suffix.lower() == ".keras":
        try:
            with zipfile.ZipFile(path) as archive:
                json.loads(archive.read("config.json"))
                broken = archive.testzip()
        except Exception as error:  # damage shows as many types: zlib.error, NotImplementedError…
            raise ModelError(
                f"{path}: not a readable .keras file ({first_line(error)}); save the model again"
            ) from error
        if broken is not None:
            raise ModelError(f"{path}: '{broken}' inside is damaged; save the model again")
        return
    try:
        with h5py.File(path, "r") as stored:
            found = "model_config" in stored.attrs
    except Exception as error:  # h5py shows damage as OSError, RuntimeError or KeyError
        raise ModelError(
            f"{path}: not a readable HDF5 file ({first_line(error)}); save the model again"
        ) from error
    if not found:
        raise ModelError(
            f"{path}: holds weights without a model; give the file of model.save() as --model "
            "and this one as --weights"
        )


def _load_weights(model: Any, path: Path, weights: Path) -> None:
    if not weights.exists():
        raise ModelError(f"{weights}: no such file; check --weights")
    try:
        if weights.suffix == ".keras":
            other, _ = read_model(weights, {})
            model.set_weights(other.get_weights())
        else:
            with quiet():
                model.load_weights(weights)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{weights}: does not fit {path}: {first_line(error)}") from error


def _custom(specification: str) -> dict[str, Any]:
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


def _given(text: str) -> list[tuple[int, ...]]:
    """Shapes without the batch."""
    parts = [part for part in text.replace(";", ":").split(":") if part.strip()]
    try:
        return [tuple(int(n) for n in part.strip(" []").split(","))[1:] for part in parts]
    except ValueError as error:
        raise UsageError(
            f"input_node_shapes '{text}' cannot be read: write 1,32,32,1, several with ':'"
        ) from error


def _explain(error: Exception) -> str:
    """The cause in one line; Keras buries it under its own advice."""
    import keras

    chain: list[BaseException] = [error]
    while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(deeper)
    text = " ".join(str(one) for one in chain)
    missing = _MISSING.search(text)
    if missing is not None and hasattr(keras.ops, _snake(missing["name"])):
        return (
            f"holds '{missing['name']}', a function of keras.ops, which Keras does not read from "
            "HDF5: save the model as .keras"
        )
    if missing is not None:
        return (
            f"needs '{missing['name']}', which is not Keras' own: give "
            "--option custom_objects=FILE.py with its code"
        )
    if "safe_mode" in text or "unsafe" in text:
        return "holds a Lambda layer with stored code: --option unsafe=yes runs it"
    return first_line(error)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


_MISSING = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown (?:layer|loss|metric)[^:\n]*:) "
    r"'?(?P<name>[\w.>]+)'?"
)
