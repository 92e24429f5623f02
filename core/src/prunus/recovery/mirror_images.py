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
from prunus.grouping.find import Grouping
from prunus.network import Network
from prunus.recovery.sample_counts import Samples, count_of, spread

_ALIKE = 0.5
"""Least share of the variance of the answers that the answers to mirror images explain. Public
classifiers of photographs reach 0.90 to 0.92, detectors 0.70 to 0.90, a classifier of digits
-0.25."""

_ASKED = 64
"""Most samples whose answers are compared."""

_MOST = 2**27
"""Bytes of mirror images."""

_COLOURS = (1, 3)
"""Channels of a picture."""

_NARROW = 8
"""Rows or columns below which an array of rank 4 is no picture."""

Array = NDArray[np.float32]


def with_mirror_images(network: Network, grouping: Grouping, samples: Samples) -> Samples:
    """Samples, and behind them their mirror images where the network answers alike.

    Args:
        network: The original network.
        grouping: Its groups.
        samples: Graph input name -> ``(N, ...)``.

    Returns:
        Up to twice as many samples; inputs that are no pictures are repeated.
    """
    if all(_columns(array) is None for array in samples.values()):
        return samples
    if not _likeness(network, grouping, samples) >= _ALIKE:  # nor where answers are no numbers
        return samples
    size = sum(array.nbytes for array in samples.values()) / count_of(samples)
    added = _mirrored(spread(samples, min(count_of(samples), max(1, int(_MOST // size)))))
    return {name: np.concatenate([samples[name], added[name]]) for name in samples}


def _likeness(network: Network, grouping: Grouping, samples: Samples) -> float:
    """Share of the variance of the answers that those to mirror images explain: at most 1."""
    session = Session(network.model, samples=2 * _ASKED)
    affordable = grouping.labelling.samples_at_once(session.outputs, _ASKED)
    asked = spread(samples, min(count_of(samples), affordable))
    given, mirrored = session.run(asked), session.run(_mirrored(asked))
    return float(np.min([_explained(given[name], mirrored[name]) for name in given]))


def _explained(given: Array, mirrored: Array) -> float:
    """Of answers as they are, or mirrored back: maps with channels first or last."""
    wanted, found = np.asarray(given, np.float64), np.asarray(mirrored, np.float64)
    backs = [found, *(np.flip(found, axis) for axis in (3, 2) if found.ndim == 4)]
    with np.errstate(over="ignore", invalid="ignore"):
        variance = float(np.square(wanted - np.atleast_1d(wanted).mean(0)).sum())
        missed = float(np.min([np.square(wanted - back).sum() for back in backs]))
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
