"""Lowered form of a tensor of the native graph."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus_tensorflow.lower.position import Holder

# Stands for the batch size in shapes and in shape arithmetic: a prime that no real dimension
# has, so that a multiple of it can be told from every other number.
BATCH = 1_000_003


@attrs.frozen(eq=False)
class Static:
    """A value that does not depend on the network's input.

    Attributes:
        array: Its value; integers are int64 and may hold multiples of ``BATCH``.
        holder: The variable or Const that holds it, if it is not computed.
        shape: Shape of the holder's array; ``array`` may have gained or lost unit axes.
    """

    array: NDArray[Any]
    holder: Holder | None = None
    shape: tuple[int, ...] = ()


@attrs.frozen(eq=False)
class Dynamic:
    """A value computed by the neutral graph.

    Attributes:
        value: Its value in the neutral graph.
        shape: Native shape, ``BATCH`` for the batch.
        perm: Neutral axis i is native axis ``perm[i]``.
    """

    value: ir.Value
    shape: tuple[int, ...]
    perm: tuple[int, ...]

    @property
    def moved(self) -> bool:
        """True if the neutral axes are in another order than the native ones."""
        return self.perm != tuple(range(len(self.perm)))

    def axis(self, native: int) -> int:
        """Neutral position of a native axis (negative counts from the end)."""
        return self.perm.index(native % len(self.shape))


@attrs.frozen
class Random:
    """Random numbers: only dropout may use them."""


@attrs.frozen
class Dead:
    """Output of a branch that is not taken at inference."""


@attrs.frozen
class Setting:
    """A scalar that is fed at run time and whose value is not known (keep_prob)."""

    name: str


Lowered = Static | Dynamic | Random | Dead | Setting


class Unlowerable(Exception):  # noqa: N818 - not an error but a finding: the op becomes a barrier
    """The op cannot be expressed; the message says why."""


def channels_first(rank: int) -> tuple[int, ...]:
    """Permutation from channels-last to channels-first."""
    return (0, rank - 1, *range(1, rank - 1))


def symbolic(shape: tuple[int, ...]) -> tuple[int | str, ...]:
    """Shape of a neutral value: multiples of ``BATCH`` become names."""
    return tuple(_dimension(size) for size in shape)


def _dimension(size: int) -> int | str:
    if size == BATCH:
        return "N"
    return f"{size // BATCH}N" if size and size % BATCH == 0 else int(size)


def volume(shape: tuple[int, ...]) -> int:
    """Number of elements as a Python integer (``BATCH`` squared overflows int64 sums)."""
    result = 1
    for size in shape:
        result *= int(size)
    return result


def as_static(array: Any) -> Static:
    """Wrap a computed array; integers widen to int64 so that ``BATCH`` multiples fit."""
    result = np.asarray(array)
    if result.dtype.kind in "iu":
        result = result.astype(np.int64)
    return Static(result)
