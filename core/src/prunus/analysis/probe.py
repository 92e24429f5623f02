"""The graph that the trials of one group run: all layers after the group, from its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.analysis.analysis import Analysis
from prunus.analysis.differences import Differences, direct_consumers
from prunus.analysis.suffix import (
    Suffix,
    cut_behind,
    given_input,
    keep_tensor,
    mask_input,
    offset_input,
)
from prunus.evaluation.session import Held, Session, with_outputs
from prunus.granularity import WEIGHT
from prunus.groups import Group
from prunus.network import Network
from prunus.task import Array, Batch


def is_maskable(group: Group) -> bool:
    """Whether masked activations show what removal does.

    Where removal changes neighbours (cross-channel LRN) they show something else, and single
    weights are shown by no activation alone.
    """
    return group.exact and group.unit != WEIGHT


class Prefix:
    """One run of the whole network, giving every value the probes start from."""

    def __init__(self, model: ir.Model, values: Sequence[str]) -> None:
        inputs = {value.name for value in model.graph.inputs}
        self.values = tuple(value for value in values if value not in inputs)
        self.outputs = tuple(value.name or "" for value in model.graph.outputs)
        wanted = tuple(dict.fromkeys((*self.values, *self.outputs)))
        # values that are kept from run to run lie in memory of their own
        self._session = Session(with_outputs(model, wanted), arena=False)

    def run(self, batch: Batch) -> tuple[dict[str, Array | Held], dict[str, Array]]:
        """Values the probes start from, and graph outputs, by name."""
        found = self._session.hold(batch.inputs)
        return {**batch.inputs, **found}, {name: found[name].numpy() for name in self.outputs}


class Probe:
    """One group and its trials.

    Attributes:
        group: The group.
        trials: Ratio and kept units ``(C,)`` of every trial.
        direct: Its consumers that all trials pass together.
        suffix: What lies behind them.
    """

    def __init__(self, network: Network, analysis: Analysis, group: Group) -> None:
        self.group = group
        self.trials = analysis.trials(group)
        self.direct = direct_consumers(network.model, analysis.grouping, group, self.trials)
        names = frozenset(consumer.node for consumer in self.direct)
        self.suffix: Suffix = cut_behind(network.model, analysis.grouping, group, names)
        self._model = network.model
        self._grouping = analysis.grouping

    def values(self) -> tuple[str, ...]:
        """Values of the original graph the probe starts from."""
        own = tuple(value for consumer in self.direct for value in (consumer.data, consumer.output))
        return (*self.suffix.boundary, *self.suffix.masked, *own)

    def replaced(self) -> tuple[str, ...]:
        """Values of which removed channels are replaced by their means."""
        return (*self.suffix.masked, *(consumer.data for consumer in self.direct))

    def nbytes(self) -> int:
        """Bytes of the weights behind the group, which a loaded probe holds a copy of."""
        weights = self._model.graph.initializers
        read = {consumer.weight for consumer in self.direct} | set(
            self.suffix.model.graph.initializers
        )
        tensors = (weights[name].const_value for name in read if name in weights)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)

    def load(self, means: Mapping[str, Array]) -> LoadedProbe:
        """The probe in the engine.

        Args:
            means: Replaced value name -> mean of every channel, broadcastable to it.
        """
        masks = [self._masks(keep, means) for _, keep in self.trials]
        differences = Differences(self._model, self.direct, means) if self.direct else None
        return LoadedProbe(self.suffix, masks, differences)

    def _masks(self, keep: NDArray[np.bool_], means: Mapping[str, Array]) -> dict[str, Array]:
        feed = {
            mask_input(value): keep_tensor(self._grouping, self.group, value, keep)
            for value in (*self.suffix.masked, *self.suffix.zeroed)
        }
        for value in self.suffix.masked:
            mask = feed[mask_input(value)]
            feed[offset_input(value)] = np.asarray((1 - mask) * means[value], np.float32)
        return feed


class LoadedProbe:
    """All trials of one group, one after the other through what lies behind it.

    Not all in one batch: that takes as many times the memory and leaves the caches, which
    costs more than the calls it saves.
    """

    def __init__(
        self, suffix: Suffix, masks: Sequence[dict[str, Array]], differences: Differences | None
    ) -> None:
        self._boundary = suffix.boundary
        self._masks = masks
        self._differences = differences
        self._session = Session(suffix.model, arena=False)

    def run(self, values: Mapping[str, Array | Held]) -> Iterator[dict[str, Array]]:
        """Graph outputs of every trial, from the values before the group."""
        boundary = {name: values[name] for name in self._boundary}
        read = self._differences.run(values) if self._differences else [{}] * len(self._masks)
        for masks, direct in zip(self._masks, read, strict=True):
            given = {given_input(name): value for name, value in direct.items()}
            yield self._session.run({**boundary, **masks, **given})
