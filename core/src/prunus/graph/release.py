"""Memory of graphs that are not used any more."""

from __future__ import annotations

import gc

from prunus.network import Network

_SMALL = 1 << 25
"""Bytes of weights that may wait for Python's own collection, which takes its time in a process
that holds many objects: 0.1 to 0.5 s."""


def collect_copies(network: Network) -> None:
    """Free copies of a network that nobody uses; call it after the last name of one is gone.

    Graphs are full of cycles: the weights of each copy would stay until Python collects them.

    Args:
        network: One as large as the copies.
    """
    if sum(array.nbytes for array in network.weights().values()) > _SMALL:
        gc.collect()
