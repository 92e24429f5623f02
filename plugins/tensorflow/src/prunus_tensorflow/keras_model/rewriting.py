"""A copy of a Keras model file with its configuration in the words of Keras 3."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunus.plugin import ModelError, check_room
from prunus_tensorflow.error_text import shortened
from prunus_tensorflow.keras_model.keras2 import modern

_CONFIG = "config.json"
_METADATA = "metadata.json"
_ATTRIBUTE = "model_config"
_VERSION = "keras_version"


@contextmanager
def rewritten(path: Path, old: Any, custom: Mapping[str, Any]) -> Iterator[Path | None]:
    """A copy that Keras 3 may take; ``None`` where nothing in the file is to be told otherwise.

    Args:
        path: A ``.keras`` or HDF5 file that was found readable.
        old: The serialised model in it.
        custom: Classes besides Keras' own.

    Raises:
        ModelError: a layer has a setting that Keras 3 has no word for.
    """
    new = modern(old, custom)
    if new == old:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="prunus-") as text:
        fresh = Path(text) / path.name
        if path.suffix.lower() == ".keras":
            _copy_zip(path, fresh, json.dumps(new))
        else:
            _copy_hdf5(path, fresh, json.dumps(new))
        yield fresh


def stored_config(path: Path) -> Any:
    """The serialised model in a file; ``None`` for an HDF5 file of weights alone."""
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(_CONFIG))
    import h5py

    with h5py.File(path, "r") as stored:
        found = stored.attrs.get(_ATTRIBUTE)
        return None if found is None else json.loads(found)


def stored_version(path: Path) -> str:
    """Version of the Keras that wrote a file; empty where it does not say."""
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            stated = archive.read(_METADATA) if _METADATA in archive.namelist() else b"{}"
        metadata = json.loads(stated)
        return str(metadata.get(_VERSION, "")) if isinstance(metadata, dict) else ""
    import h5py

    with h5py.File(path, "r") as stored:
        found = stored.attrs.get(_VERSION, "")
    return found.decode(errors="replace") if isinstance(found, bytes) else str(found)


def check_archive(path: Path) -> None:
    """Check all of a ``.keras`` file.

    Raises:
        ModelError: a part of it is damaged, or would not fit into memory.
    """
    with zipfile.ZipFile(path) as archive:
        check_room(sum(one.file_size for one in archive.infolist()), f"{path}: it", ModelError)
        broken = archive.testzip()
    if broken is not None:
        raise ModelError(f"{path}: '{shortened(broken)}' inside is damaged; save the model again")


def _copy_zip(path: Path, fresh: Path, config: str) -> None:
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(fresh, "w") as target:
        for entry in archive.infolist():
            own = entry.filename == _CONFIG
            target.writestr(entry, config.encode() if own else archive.read(entry))


def _copy_hdf5(path: Path, fresh: Path, config: str) -> None:
    import h5py

    shutil.copyfile(path, fresh)
    with h5py.File(fresh, "r+") as target:
        target.attrs[_ATTRIBUTE] = config
