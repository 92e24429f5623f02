"""One tensor whose weights share a few values."""

from __future__ import annotations

from typing import TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

_Kind = TypeVar("_Kind", bound=np.generic)

MOST_BITS = 8
"""Codes are bytes."""

_CHUNK = 1 << 18
"""Weights looked at in one go: temporary arrays stay small beside the tensor."""

_FRACTION = 11
"""Bits of a rounded shared value's fraction: an error of 2**-12, far below a cluster's width."""


@attrs.frozen(eq=False)
class Shared:
    """A tensor as its distinct values and the choice among them.

    Attributes:
        codebook: Distinct values ``(k,)``, ascending, at most 256; zero is one of them where
            there are zeros.
        codes: Position in the codebook for every weight, of the tensor's shape.
    """

    codebook: NDArray[np.floating]
    codes: NDArray[np.uint8]

    def weights(self) -> NDArray[np.floating]:
        """The tensor."""
        return self.codebook[self.codes]

    @property
    def zero(self) -> int | None:
        """Code of the value zero, if it occurs."""
        place = int(np.searchsorted(self.codebook, 0))
        held = place < self.codebook.size and self.codebook[place] == 0
        return place if held else None


def shared_exactly(weights: NDArray[np.floating], most: int) -> Shared | None:
    """A tensor as it is; ``None`` where it has more than ``most`` different values."""
    zeros = np.count_nonzero(weights) < weights.size
    met = np.zeros(int(zeros), weights.dtype)  # different values in the order they are met
    codes = np.zeros(weights.size, np.uint8)  # places among them
    for part, chunk in zip(_chunks(codes), _chunks(weights), strict=True):
        places = np.flatnonzero(chunk != 0) if zeros else slice(None)
        held = chunk[places]
        found = _places(met, held)
        strange = held if not met.size else held[met[found] != held]
        if strange.size:
            met = np.concatenate((met, np.unique(strange)))
            if met.size > most:
                return None
            found = _places(met, held)
        part[places] = found
    ranks = np.argsort(np.argsort(met)).astype(np.uint8)
    for part in _chunks(codes):
        part[:] = ranks.take(part, mode="clip")
    return Shared(np.sort(met), codes.reshape(weights.shape))


def coded_by(codebook: NDArray[np.floating], weights: NDArray[np.floating]) -> Shared:
    """Every weight as the nearest value of a codebook; only zero becomes zero.

    Args:
        codebook: Distinct values, ascending, zero where the tensor has zeros.
        weights: The tensor.
    """
    others = codebook[codebook != 0]
    places = np.flatnonzero(codebook != 0).astype(np.uint8)
    zero = np.flatnonzero(codebook == 0).astype(np.uint8)
    middle = (others[1:] / 2 + others[:-1] / 2).astype(weights.dtype)
    # between neighbouring numbers there is no middle: each stays what it is
    bounds = np.minimum(middle, np.nextafter(others[1:], others[:-1]))
    codes = np.empty(weights.size, np.uint8)
    for part, chunk in zip(_chunks(codes), _chunks(weights), strict=True):
        if not zero.size:
            part[:] = np.searchsorted(bounds, chunk)
            continue
        part[:] = zero[0]
        held = np.flatnonzero(chunk)
        part[held] = places[np.searchsorted(bounds, chunk[held])]
    return Shared(codebook, codes.reshape(weights.shape))


def rounded(codebook: NDArray[np.floating]) -> NDArray[np.floating]:
    """Shared values with a short fraction, ascending: they take fewer bytes in a file."""
    return np.unique(short(codebook))


def short(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Every value with a short fraction, none of them minus zero."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    whole = np.rint(np.ldexp(mantissa, _FRACTION + 1))
    found: NDArray[np.floating] = np.ldexp(whole, exponent - _FRACTION - 1).astype(values.dtype)
    return found + 0


def _chunks(array: NDArray[_Kind]) -> list[NDArray[_Kind]]:
    flat = array.reshape(-1)
    return [flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK)]


def _places(values: NDArray[np.floating], held: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Place among the values, at most 256 in any order, of every number that is one of them."""
    if not values.size:
        return np.zeros(held.size, np.uint8)
    order = np.argsort(values)
    entries = np.searchsorted(values[order], held)
    return order.astype(np.uint8).take(entries, mode="clip")
