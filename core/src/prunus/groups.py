"""Groups: channels that can only go together, as values every plugin can read."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.granularity import CHANNEL, Pattern
from prunus.network import Network

Indices = NDArray[np.int64]


@attrs.frozen(eq=False)
class Member:
    """The part of one initializer that belongs to a group.

    Attributes:
        initializer: Name of the initializer.
        role: ``filter`` (output axis of the weight that makes the channels),
            ``input`` (input axis of a weight that reads them), ``weight`` (all its
            numbers, where the units are single weights), or the binding
            role of a per-channel vector (``bias``, ``scale``, ``shift``, ``mean``,
            ``variance``, ``slope``; ``operand`` for a divisor, an exponent and their like).
        axes: Axes of the initializer that run over units, in order; one axis of channels
            but for the input of a grouped convolution, which has two; all for single weights.
        positions: ``(C, k)`` flat positions in the product of ``axes``: unit c of
            the group owns ``positions[c]``.
    """

    initializer: str
    role: str
    axes: tuple[int, ...]
    positions: Indices

    def array(self, network: Network) -> NDArray[np.generic]:
        """The whole initializer, a view where the graph allows it."""
        value = network.model.graph.initializers[self.initializer].const_value
        if value is None:
            raise ValueError(f"initializer {self.initializer} holds no data")
        return value.numpy()

    def slices(self, network: Network) -> NDArray[np.float64]:
        """Weights of each unit, ``(C, m)`` float64."""
        array = np.moveaxis(self.array(network), self.axes, range(len(self.axes)))
        flat = array.reshape(int(np.prod(array.shape[: len(self.axes)])), -1)
        return flat[self.positions].reshape(len(self.positions), -1).astype(np.float64)


@attrs.frozen(eq=False)
class Multiple:
    """Channels can only go in whole multiples of a number.

    Attributes:
        counts: ``(C,)`` channels of every unit that count.
        of: The number; what is removed of them is a multiple of it.
    """

    counts: Indices
    of: int


@attrs.frozen(eq=False)
class Group:
    """Units of the same kind: sets of tied channels, or the single weights of one layer.

    Each unit is kept or removed whole.

    Attributes:
        name: Native names of the producing layers, joined by ``+``; unique.
        layers: Native layers whose output channels, or weights, are in the group.
        members: Every initializer slice that goes with the units.
        rows: For each grouped convolution or shuffle the units pass: ``(R, C)`` channels
            of every unit in every row; equal numbers must remain in all rows.
        exact: False where removal changes neighbours (cross-channel LRN).
        multiples: Positions where channels can only go in whole multiples of a number.
        unit: ``channel``, ``head`` or ``weight``.
        pattern: Of every M units that follow each other just N stay, where any go.
    """

    name: str
    layers: tuple[str, ...]
    members: tuple[Member, ...]
    rows: tuple[Indices, ...] = ()
    exact: bool = True
    multiples: tuple[Multiple, ...] = ()
    unit: str = CHANNEL
    pattern: Pattern | None = None

    @property
    def size(self) -> int:
        """Number of units C."""
        return len(self.members[0].positions)


@attrs.frozen
class Protected:
    """Channels of a layer that cannot be removed.

    Attributes:
        layer: Native layer name.
        channels: Number of them.
        reason: Why they stay.
    """

    layer: str
    channels: int
    reason: str
