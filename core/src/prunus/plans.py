"""A plan: the channels or single weights of each group that stay, as a value beside the network."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.counted import counted
from prunus.errors import StaleError, UsageError
from prunus.granularity import CHANNEL, HEAD, granularity_of
from prunus.graph.digest import structure_digest
from prunus.planning.budget import COSTS, Budget
from prunus.planning.choose import Keep
from prunus.prunable import Prunable

_SHOWN = 20
"""Groups that a printed plan lists."""


@attrs.frozen
class GroupPlan:
    """Channels of one group.

    Attributes:
        channels: Channels C of the group in the original network.
        kept: Positions in [0, C) of the channels that stay, ascending; never empty.
    """

    channels: int
    kept: tuple[int, ...]

    @property
    def size(self) -> int:
        """Units C."""
        return self.channels

    @property
    def units(self) -> NDArray[np.bool_]:
        """``(C,)`` bool, True for kept."""
        found = np.zeros(self.channels, bool)
        found[list(self.kept)] = True
        return found


@attrs.frozen
class WeightPlan:
    """Single weights of one group.

    Attributes:
        weights: Weights C of the group.
        bits: One bit a weight in the order of the group's units, 1 for those that stay; the
            highest bit of a byte comes first.
    """

    weights: int
    bits: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """Units C."""
        return self.weights

    @property
    def units(self) -> NDArray[np.bool_]:
        """``(C,)`` bool, True for kept."""
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.weights).astype(bool)


@attrs.frozen
class Plan:
    """Which channels or weights of a network stay, and how they were chosen.

    Attributes:
        structure: Digest of the network's structure (`structure_digest`).
        groups: Group name -> its channels or weights; groups left out stay whole.
        rate: Share of the original network's MACs that the plan removes, in [0, 1); of single
            weights, share of the weights of its convolutions and fully connected layers.
        budget: The target that was asked for.
        criterion: How channels or weights were scored.
        allocation: How the target was divided among the groups.
        exclude: Native names of layers that had to stay whole.
        granularity: ``channel``, ``weight``, or a pattern of single weights: ``2:4``.
    """

    structure: str
    groups: Mapping[str, GroupPlan | WeightPlan]
    rate: float
    budget: Budget
    criterion: str
    allocation: str
    exclude: tuple[str, ...] = ()
    granularity: str = CHANNEL

    def keep(self, subject: Prunable) -> Keep:
        """The plan as one bool a channel or weight, for the groups it names.

        Raises:
            StaleError: the plan is of another network.
        """
        sizes = {group.name: group.size for group in subject.grouping.groups}
        named = {name: group.size for name, group in self.groups.items()}
        if self.granularity != str(subject.granularity):
            raise StaleError(
                f"the plan is of {self.granularity}s, not of {subject.granularity}s; plan again"
            )
        if (
            self.structure != structure_digest(subject.network)
            or not named.items() <= sizes.items()
        ):
            raise StaleError("the plan is of a network of another structure; plan again")
        return {name: group.units for name, group in self.groups.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; inverse of `from_json`."""
        stored = attrs.asdict(self)
        stored["exclude"] = list(self.exclude)
        stored["groups"] = {name: _stored(group) for name, group in self.groups.items()}
        return stored

    @classmethod
    def from_json(cls, stored: Any) -> Plan:
        """Read `to_json`'s values.

        Raises:
            StaleError: they are no plan of this version.
        """
        try:
            groups = {str(name): _group(group) for name, group in stored["groups"].items()}
            budget = Budget(**stored["budget"])
            words = [stored[name] for name in ("structure", "criterion", "allocation")]
            if not all(isinstance(word, str) for word in (*words, *stored["exclude"])):
                raise TypeError("a name is no text")
            rate = float(stored["rate"])
            exclude = (*stored["exclude"],)
            granularity = granularity_of(str(stored.get("granularity", CHANNEL)))
            kind = GroupPlan if granularity.unit == CHANNEL else WeightPlan
            if not all(isinstance(group, kind) for group in groups.values()):
                raise TypeError(f"groups do not hold {granularity.units}")
            text = str(granularity)
            return cls(words[0], groups, rate, budget, words[1], words[2], exclude, text)
        except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
            raise StaleError(f"not a plan of this version ({error}); plan again") from error

    def __str__(self) -> str:
        lines = [self._summary()]
        for name, group in list(self.groups.items())[:_SHOWN]:
            # a group of heads is called so
            units = "" if name.endswith(f" {HEAD}s") else f" {self._units}"
            lines.append(f"  {name}: {int(group.units.sum())} of {len(group.units)}{units} kept")
        if len(self.groups) > _SHOWN:
            lines.append(f"  and {counted(len(self.groups) - _SHOWN, 'more group')}")
        return "\n".join(lines)

    def _summary(self) -> str:
        words = {name: getattr(self.budget, name) for name in (*COSTS, "max_loss", "threshold")}
        asked = [f"{name} {value:,}" for name, value in words.items() if value is not None]
        target = ", ".join(asked) or "densities"
        unit, groups = granularity_of(self.granularity).counted, counted(len(self.groups), "group")
        return (
            f"plan for {target}: {self.rate:.1%} of the {unit} removed in {groups} "
            f"(criterion {self.criterion}, allocation {self.allocation})"
        )

    @property
    def _units(self) -> str:
        return granularity_of(self.granularity).units

    def _repr_html_(self) -> str:
        from prunus.report.page import GroupRow
        from prunus.report.views import view_plan

        rows = [
            GroupRow(name, group.size, int(group.units.sum()))
            for name, group in self.groups.items()
        ]
        return view_plan(self._summary(), self._units, rows)


def plan_of(
    subject: Prunable,
    keep: Mapping[str, NDArray[np.bool_]],
    budget: Budget,
    criterion: str,
    allocation: str,
) -> Plan:
    """The value of a choice of channels; groups that keep all are left out.

    Args:
        subject: The network and its groups.
        keep: Group name -> ``(C,)`` bool, True for kept.
        budget: The target that was asked for.
        criterion: How channels were scored.
        allocation: How the target was divided among the groups.
    """
    made = _of_channels if subject.granularity.unit == CHANNEL else _of_weights
    groups = {name: made(units) for name, units in keep.items() if not units.all()}
    return Plan(
        structure_digest(subject.network),
        groups,
        subject.rate(keep),
        budget,
        criterion,
        allocation,
        subject.exclude,
        str(subject.granularity),
    )


def _of_channels(units: NDArray[np.bool_]) -> GroupPlan | WeightPlan:
    return GroupPlan(len(units), tuple(np.flatnonzero(units).tolist()))


def _of_weights(units: NDArray[np.bool_]) -> GroupPlan | WeightPlan:
    return WeightPlan(len(units), np.packbits(units).tobytes())


def _stored(group: GroupPlan | WeightPlan) -> dict[str, Any]:
    if isinstance(group, GroupPlan):
        return {"channels": group.channels, "kept": list(group.kept)}
    return {"weights": group.weights, "kept": b64encode(group.bits).decode()}


def _group(stored: Any) -> GroupPlan | WeightPlan:
    if "weights" in stored:
        weights, bits = stored["weights"], b64decode(stored["kept"], validate=True)
        if type(weights) is not int or len(bits) != -(-weights // 8) or not any(bits):
            raise ValueError("kept weights are one bit each, at least one of them set")
        return WeightPlan(weights, bits)
    channels, kept = stored["channels"], tuple(stored["kept"])
    if type(channels) is not int or any(type(position) is not int for position in kept):
        raise TypeError("channels are whole numbers")
    if not kept or min(kept) < 0 or max(kept) >= channels or len(set(kept)) != len(kept):
        raise ValueError(f"kept channels lie in [0, {channels}), at least one, each once")
    return GroupPlan(channels, kept)
