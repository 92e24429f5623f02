"""Resumable state of a training run: one ``.npz`` file, whole or not there at all."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import PrunusError, StaleError

Arrays = Mapping[str, NDArray[np.generic]]

UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,  # also NotImplementedError: zip says so of damaged flags and methods
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors of numpy and zipfile for damaged files."""

_ARRAY = "array/"
"""Prefix of the trainer's own names."""

KEPT = 2
"""Files kept: the newest and one before it."""


@attrs.frozen(eq=False)
class Snapshot:
    """Everything an update depends on besides the job itself.

    Random numbers are drawn from (seed, pass) and need no state of their own.

    Attributes:
        iteration: Updates done.
        loss: Smoothed loss, for the report.
        arrays: Name -> array of everything an update changes; the names are the trainer's own.
    """

    iteration: int
    loss: float
    arrays: Arrays


class Snapshots:
    """The snapshots of one job in one directory, ``<trainer>_<updates>.npz``."""

    def __init__(self, directory: Path, trainer: str, digests: Mapping[str, str]) -> None:
        """Open the directory.

        Args:
            directory: Existing directory.
            trainer: Name of the trainer: others do not read its arrays.
            digests: Word for the user -> hex digest (`prunus.plugin.job_digests`).
        """
        self._directory = directory
        self._trainer = trainer
        self._digests = dict(digests)
        self._own: list[Path] = []

    def save(self, snapshot: Snapshot) -> Path:
        """Write atomically, then remove what is older than the one before.

        Raises:
            PrunusError: the file cannot be written; older ones are kept.
        """
        path = self._directory / f"{self._trainer}_{snapshot.iteration:08d}.npz"
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with temporary.open("wb") as stream:
                np.savez(stream, **self._arrays(snapshot))  # type: ignore[arg-type]
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):  # the disk may have become read-only
                temporary.unlink(missing_ok=True)
            raise PrunusError(
                f"{path}: cannot write the snapshot ({error.strerror}); older ones are kept"
            ) from error
        self._own = [own for own in self._own if own != path] + [path]
        for old in [
            *self._directory.glob(f"{self._trainer}_*.npz"),
            *self._directory.glob(f".{self._trainer}_*.tmp"),
        ]:
            if old not in self._own[-KEPT:]:
                old.unlink(missing_ok=True)
        return path

    def newest(self, iterations: int) -> Snapshot | None:
        """The last readable snapshot of at most ``iterations`` updates, ``None`` without any.

        Raises:
            StaleError: it belongs to another job, or no file is readable.
        """
        found = sorted(self._directory.glob(f"{self._trainer}_*.npz"), reverse=True)
        damaged = None
        for path in found:
            try:
                snapshot = self._read(path)
            except UNREADABLE as error:
                damaged = f"{path}: damaged snapshot ({error}); remove it or train without --resume"
                continue
            if snapshot.iteration <= iterations:
                self._own = [path]
                return snapshot
        if damaged is not None:
            raise StaleError(damaged)
        return None

    def _arrays(self, snapshot: Snapshot) -> dict[str, NDArray[np.generic]]:
        arrays: dict[str, NDArray[np.generic]] = {
            "digests": np.array(json.dumps(self._digests)),
            "iteration": np.array(snapshot.iteration, np.int64),
            "loss": np.array(snapshot.loss, np.float64),
        }
        return arrays | {f"{_ARRAY}{name}": array for name, array in snapshot.arrays.items()}

    def _read(self, path: Path) -> Snapshot:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        for what, digest in json.loads(str(arrays["digests"])).items():
            if self._digests.get(what) != digest:
                raise StaleError(
                    f"{path}: the snapshot belongs to another {what}; train without --resume"
                )
        own = {
            name.removeprefix(_ARRAY): array
            for name, array in arrays.items()
            if name.startswith(_ARRAY)
        }
        return Snapshot(int(arrays["iteration"]), float(arrays["loss"]), own)
