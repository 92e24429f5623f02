"""Times of ncnn's layers, of which its package tells none.

An extractor that keeps its blobs computes the layers between two of them only. So blobs are
extracted in the order of the file, each twice: the second time only brings it into the layout in
which it is given away, and what the first took longer is the time of its layer.
"""

import time
from collections import defaultdict

import numpy as np

from prunus.plugin import ModelError, Session, infer_shapes

_SECONDS, _FEWEST, _MOST = 1.0, 5, 100
"""Time for the profile of one network, and runs at least and at most."""

_SAME = 1e-2
"""Largest difference of two blobs of the same numbers, relative to the largest: Winograd's
convolutions round, and a layer more or less changes far more than that."""


def steps(net, started, network, sample):
    """Value of the neutral graph -> least time of the layers that make it, in milliseconds.

    Args:
        net: The net.
        started: Gives an extractor with a sample in it.
        network: The network in the neutral graph.
        sample: The sample.
    """
    names = [blob.name for blob in net.blobs()]
    runs, end = [], time.perf_counter() + _SECONDS
    while len(runs) < _FEWEST or (time.perf_counter() < end and len(runs) < _MOST):
        extractor = started(sample)
        extractor.set_light_mode(False)
        runs.append([_milliseconds(extractor, name) for name in names])
    first, again = np.array(runs).min(0).T
    extractor = started(sample)
    extractor.set_light_mode(False)
    values, found = _values(network, sample), defaultdict(float)
    for name, took in zip(names, np.maximum(first - again, 0), strict=True):
        found[_same(np.array(extractor.extract(name)[1]), values)] += float(took)
    return dict(found)


def _milliseconds(extractor, name):
    """Of a blob that is computed, and of the same one once it is there."""
    start = time.perf_counter()
    code, _ = extractor.extract(name)
    middle = time.perf_counter()
    extractor.extract(name)
    if code:
        raise ModelError(f"ncnn cannot compute '{name}'")
    return (middle - start) * 1e3, (time.perf_counter() - middle) * 1e3


def _values(network, sample):
    """Name -> numbers of every value that has a batch and channels."""
    made = [value.name for node in network.model.graph for value in node.outputs]
    shapes = infer_shapes(network.model)
    named = [name for name in made if len(shapes.get(name, ())) > 1]
    return Session(network.model, named).run(sample)


def _same(blob, values):
    """The value of the same numbers, as pnnx gives layers and blobs names of its own."""
    nearest, found = _SAME, ""
    for name, array in values.items():
        if array.size == blob.size:
            wanted = array.ravel()
            far = np.abs(blob.ravel() - wanted).max() / max(np.abs(wanted).max(), 1e-30)
            if far < nearest:
                nearest, found = far, name
    return found
