"""Weights set aside while others are computed: in a file where they are large."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[Any]]
"""Initializer name -> array."""

_LARGE = 2**27
"""Bytes from which weights go into a file: a second of writing against as much memory."""


def set_aside(weights: Weights) -> Callable[[], Weights]:
    """A way back to the weights; large ones are held in a temporary file, if there is room for one.

    Args:
        weights: To be dropped by the caller.
    """
    if sum(array.nbytes for array in weights.values()) < _LARGE:
        return lambda: weights
    try:
        return _stored(weights)
    except OSError:  # no room on the disk: memory may still do
        return lambda: weights


def _stored(weights: Weights) -> Callable[[], Weights]:
    # open, and on the disk, until the way back is dropped
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    for array in weights.values():
        np.save(file, array, allow_pickle=False)
    file.flush()
    names = tuple(weights)

    def back() -> Weights:
        file.seek(0)
        return {name: np.load(file, allow_pickle=False) for name in names}

    return back
