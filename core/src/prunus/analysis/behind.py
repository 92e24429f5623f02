"""What lies behind a group, run with compensated weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunus.analysis.suffix import Suffix, cut_behind, keep_tensor, mask_input, offset_input
from prunus.evaluation.session import Held, Session, Structure
from prunus.graph.parameters import weight_bytes
from prunus.grouping.find import Grouping
from prunus.groups import Group
from prunus.network import Network
from prunus.task import Array


class Behind:
    """The layers behind a group.

    Attributes:
        suffix: Their graph, with the original weights.
    """

    def __init__(self, network: Network, grouping: Grouping, group: Group) -> None:
        self.suffix: Suffix = cut_behind(network.model, grouping, group)
        self._grouping, self._group = grouping, group
        self._structure: Structure | None = None

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the weights, which a loaded graph holds a copy of."""
        return weight_bytes(self.suffix.model)

    def load(
        self, changed: Mapping[str, NDArray[np.generic]], keep: NDArray[np.bool_]
    ) -> LoadedBehind:
        """These layers in the engine, with what a plan removes masked.

        Args:
            changed: Compensated weights: initializer -> array; those before the group may be
                among them.
            keep: ``(C,)`` units that stay.
        """
        own = {n: changed[n] for n in changed if n in self.suffix.model.graph.initializers}
        if self._structure is None or not own.keys() <= self._structure.weights.keys():
            self._structure = Structure(self.suffix.model, own)
        feed = {
            mask_input(value): keep_tensor(self._grouping, self._group, value, keep)
            for value in (*self.suffix.masked, *self.suffix.zeroed)
        }
        for value in self.suffix.masked:
            feed[offset_input(value)] = np.zeros_like(feed[mask_input(value)])
        return LoadedBehind(Session(self._structure.replaced(own), arena=False), feed)


class LoadedBehind:
    """The layers behind a group in the engine."""

    def __init__(self, session: Session, feed: Mapping[str, Array]) -> None:
        self._session, self._feed = session, feed

    def run(self, values: Mapping[str, Array | Held]) -> dict[str, Array]:
        """Graph outputs behind the group, from the values before it."""
        return self._session.run({**values, **self._feed})
