"""Mirror images of pictures: twice the samples to fit to, without a label.

Fits of many weights to few pictures know these pictures too well. Mirror images are further
pictures of the same kind wherever the world that they show has no left and right. The network
itself tells: it was trained with mirror images, or on such a world, if its answers to them are its
answers to the pictures (of maps, mirrored). For digits or spectra they are not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.network import Network
from prunus.recovery.sample_counts import Samples, count_of, spread

_ALIKE = 0.5
"""Least share of the variance of the answers that the answers to mirror images explain. Public
classifiers of photographs reach 0.91 to 0.92, detectors 0.74 to 0.91, a classifier of digits
-0.3."""

_ASKED = 64
"""Most samples whose answers are compared."""

_BATCH = 8

_MOST = 2**27
"""Bytes of mirror images."""

_COLOURS = (1, 3)
"""Channels of a picture."""

_NARROW = 8
"""Rows or columns below which an array of rank 4 is no picture."""

Array = NDArray[np.float32]


def with_mirror_images(network: Network, samples: Samples) -> Samples:
    """Samples, and behind them their mirror images where the network answers alike.

    Args:
        network: The original network.
        samples: Graph input name -> ``(N, ...)``.

    Returns:
        Up to twice as many samples; inputs that are no pictures are repeated.
    """
    if all(_columns(array) is None for array in samples.values()):
        return samples
    if _likeness(network, spread(samples, min(count_of(samples), _ASKED))) < _ALIKE:
        return samples
    size = sum(array.nbytes for array in samples.values()) / count_of(samples)
    added = _mirrored(spread(samples, min(count_of(samples), max(1, int(_MOST // size)))))
    return {name: np.concatenate([samples[name], added[name]]) for name in samples}


def _likeness(network: Network, samples: Samples) -> float:
    """Share of the variance of the answers that those to mirror images explain: at most 1."""
    session = Session(network.model, samples=2 * count_of(samples))
    given, mirrored = (_answers(session, some) for some in (samples, _mirrored(samples)))
    return min(_explained(given[name], mirrored[name]) for name in given)


def _answers(session: Session, samples: Samples) -> dict[str, Array]:
    parts = [
        session.run({name: array[start : start + _BATCH] for name, array in samples.items()})
        for start in range(0, count_of(samples), _BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _explained(given: Array, mirrored: Array) -> float:
    """Of answers as they are, or mirrored back: maps with channels first or last."""
    variance = float(np.square(given - given.mean(0, np.float64)).sum())
    backs = [mirrored, *(np.flip(mirrored, axis) for axis in (3, 2) if given.ndim == 4)]
    missed = min(float(np.square(given - back).sum(dtype=np.float64)) for back in backs)
    return 1 - missed / variance if variance else 0.0


def _mirrored(samples: Samples) -> Samples:
    axes = {name: _columns(array) for name, array in samples.items()}
    return {
        name: array if axes[name] is None else np.flip(array, axes[name])
        for name, array in samples.items()
    }


def _columns(array: Array) -> int | None:
    """Axis of the columns of pictures, channels first or last; ``None`` of other samples."""
    if array.ndim != 4:
        return None
    for channels, rows, columns in ((1, 2, 3), (3, 1, 2)):
        narrow = min(array.shape[rows], array.shape[columns]) < _NARROW
        if array.shape[channels] in _COLOURS and not narrow:
            return columns
    return None
