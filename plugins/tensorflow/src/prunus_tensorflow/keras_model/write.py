"""Compact or masked network -> Keras model file of the kind that was read."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from prunus.plugin import Compact, Destination, ModelError, Network, Written
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.keras_model.opening import names_missing_code
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.rebuild import model_of
from prunus_tensorflow.quiet import quiet


def write(network: Network, compact: Compact, destination: Destination) -> Written:
    """Write an ordinary Keras model of smaller layers.

    The name is the user's, else the original's. Optimizer state is not kept: it belongs to
    weights that are gone.

    Raises:
        ModelError: Keras cannot build or save the smaller model.
    """
    origin = network.origin
    assert isinstance(origin, KerasOrigin)
    model = model_of(network, compact if destination.stage == "compact" else None)
    read = "model.keras" if origin.path is None else origin.path.name
    original = destination.original or read
    path = destination.directory / (destination.name or original)
    if path.suffix.lower() not in (".keras", ".h5", ".hdf5"):
        path = path.with_name(path.name + Path(original).suffix)
    save(model, path)
    if origin.path is not None and origin.uncompiled and names_missing_code(origin.uncompiled):
        _keep_compile_settings(origin.path, path)
    return Written(path, None)


def save(model: Any, path: Path) -> None:
    """Save by the suffix, without Keras' advice on formats.

    Raises:
        ModelError: the file cannot be written.
    """
    try:
        with quiet():
            if getattr(model, "optimizer", None) is not None:
                # one without slots: fresh ones say nothing and would triple the file
                old = model.optimizer
                model.optimizer = type(old).from_config(old.get_config())
            model.save(path)
        if path.suffix.lower() != ".keras":
            _drop_optimizer_weights(path)
    except Exception as error:
        raise ModelError(f"{path}: Keras cannot save the model: {first_line(error)}") from error


def _drop_optimizer_weights(path: Path) -> None:
    """Keras 3 builds the optimizer of such a group for no variables; the model then cannot train.

    Source: keras/src/legacy/saving/legacy_h5_format.py, ``load_model_from_hdf5``.
    """
    import h5py

    with h5py.File(path, "r+") as stored:
        if "optimizer_weights" in stored:
            del stored["optimizer_weights"]


def _keep_compile_settings(original: Path, path: Path) -> None:
    """Settings that name the user's own code are copied as they are in the file."""
    if original.suffix != ".keras" or path.suffix != ".keras":
        if original.suffix != ".keras" and path.suffix != ".keras":
            _copy_training_config(original, path)
        return
    with zipfile.ZipFile(original) as archive:
        settings = json.loads(archive.read("config.json")).get("compile_config")
    if settings is None:
        return
    fresh = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(fresh, "w") as target:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename == "config.json":
                config = json.loads(content)
                config["compile_config"] = settings
                content = json.dumps(config).encode()
            target.writestr(entry, content)
    os.replace(fresh, path)


def _copy_training_config(original: Path, path: Path) -> None:
    """The same in HDF5: one attribute of the file (keras/src/legacy/saving/legacy_h5_format.py)."""
    import h5py

    with h5py.File(original, "r") as source, h5py.File(path, "r+") as target:
        if "training_config" in source.attrs:
            target.attrs["training_config"] = source.attrs["training_config"]
