"""Bytes of one tensor after each stage, as in the tables of Han, Mao, Dally 2016."""

from __future__ import annotations

import math

import attrs

from prunus.compression.positions import padded
from prunus.compression.shared import Shared
from prunus.compression.tensors import TensorHead

INDEX_BITS = (4, 5, 8)
"""Widths of the paper's relative index."""


@attrs.frozen
class Storage:
    """One tensor, and what it takes.

    Attributes:
        name: Its name.
        layer: Native layer.
        weights: Number of weights.
        nonzero: Those other than zero.
        bits: Bits of a code that is not compressed.
        index_bits: Bits of the relative index that takes least; 0 without zeros.
        entries: Weights and padding zeros of that index.
        dense: Bytes in the native file.
        pruned: Bytes of numbers and relative index.
        shared: Bytes of codebook, codes and relative index, none compressed.
        codebook, positions, codes: Bytes in the container; ``None`` where the tensor was found in
            no native file as it is, and is part of the compressed rest.
    """

    name: str
    layer: str
    weights: int
    nonzero: int
    bits: int
    index_bits: int
    entries: int
    dense: int
    pruned: int
    shared: int
    codebook: int | None
    positions: int | None
    codes: int | None

    @property
    def coded(self) -> int | None:
        """Bytes in the container."""
        if self.codebook is None or self.positions is None or self.codes is None:
            return None
        return self.codebook + self.positions + self.codes


def storage_of(layer: str, name: str, shared: Shared, heads: list[TensorHead]) -> Storage:
    """Count one tensor.

    Args:
        layer: Its layer.
        name: Its name.
        shared: Its shared form.
        heads: Its places in the container; several where several files hold it.
    """
    size, itemsize = shared.codes.size, shared.codebook.itemsize
    bits = max(1, math.ceil(math.log2(max(1, shared.codebook.size))))
    index, entries, nonzero = 0, size, size
    if shared.zero is not None:
        held = (shared.codes != shared.zero).reshape(-1)
        nonzero = int(held.sum())
        ways = {width: padded(held, width) for width in INDEX_BITS}
        index = min(ways, key=lambda width: ways[width] * (bits + width))
        entries = ways[index]
    parts = [sum(sizes) for sizes in zip(*(head.streams for head in heads), strict=True)]
    return Storage(
        name,
        layer,
        size,
        nonzero,
        bits,
        index,
        entries,
        size * itemsize,
        math.ceil(entries * (8 * itemsize + index) / 8),
        math.ceil(entries * (bits + index) / 8) + shared.codebook.nbytes,
        *(parts or (None, None, None)),
    )
