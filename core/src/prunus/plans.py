"""A plan: the channels of each group that stay, as a value beside the network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.errors import StaleError
from prunus.graph.digest import structure_digest
from prunus.planning.budget import Budget
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


@attrs.frozen
class Plan:
    """Which channels of a network stay, and how they were chosen.

    Attributes:
        structure: Digest of the network's structure (`structure_digest`).
        groups: Group name -> its channels; groups left out stay whole.
        rate: Share of the original network's MACs that the plan removes, in [0, 1).
        budget: The target that was asked for.
        criterion: How channels were scored.
        allocation: How the target was divided among the groups.
        exclude: Native names of layers that had to stay whole.
    """

    structure: str
    groups: Mapping[str, GroupPlan]
    rate: float
    budget: Budget
    criterion: str
    allocation: str
    exclude: tuple[str, ...] = ()

    def keep(self, subject: Prunable) -> Keep:
        """The plan as one bool a channel, for the groups it names.

        Raises:
            StaleError: the plan is of another network.
        """
        sizes = {group.name: group.size for group in subject.grouping.groups}
        named = {name: group.channels for name, group in self.groups.items()}
        if (
            self.structure != structure_digest(subject.network)
            or not named.items() <= sizes.items()
        ):
            raise StaleError("the plan is of a network of another structure; plan again")
        found = {name: np.zeros(size, bool) for name, size in named.items()}
        for name, group in self.groups.items():
            found[name][list(group.kept)] = True
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; inverse of `from_json`."""
        stored = attrs.asdict(self)
        stored["exclude"] = list(self.exclude)
        for group in stored["groups"].values():
            group["kept"] = list(group["kept"])
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
            return cls(words[0], groups, rate, budget, words[1], words[2], (*stored["exclude"],))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StaleError(f"not a plan of this version ({error}); plan again") from error

    def __str__(self) -> str:
        lines = [self._summary()]
        for name, group in list(self.groups.items())[:_SHOWN]:
            lines.append(f"  {name}: {len(group.kept)} of {group.channels} channels kept")
        if len(self.groups) > _SHOWN:
            lines.append(f"  and {len(self.groups) - _SHOWN} more groups")
        return "\n".join(lines)

    def _summary(self) -> str:
        asked = self.budget.rate
        target = f"threshold {self.budget.threshold:g}" if asked is None else f"rate {asked:g}"
        return (
            f"plan for {target}: {self.rate:.1%} of the MACs removed in {len(self.groups)} groups "
            f"(criterion {self.criterion}, allocation {self.allocation})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{len(group.kept)}</td><td>{group.channels}</td></tr>"
            for name, group in self.groups.items()
        )
        head = "<tr><th>group</th><th>kept</th><th>channels</th></tr>"
        return f"<p>{escape(self._summary())}</p><table>{head}{rows}</table>"


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
    groups = {
        name: GroupPlan(len(units), tuple(np.flatnonzero(units).tolist()))
        for name, units in keep.items()
        if not units.all()
    }
    return Plan(
        structure_digest(subject.network),
        groups,
        subject.rate(keep),
        budget,
        criterion,
        allocation,
        subject.exclude,
    )


def _group(stored: Any) -> GroupPlan:
    channels, kept = stored["channels"], tuple(stored["kept"])
    if type(channels) is not int or any(type(position) is not int for position in kept):
        raise TypeError("channels are whole numbers")
    if not kept or min(kept) < 0 or max(kept) >= channels or len(set(kept)) != len(kept):
        raise ValueError(f"kept channels lie in [0, {channels}), at least one, each once")
    return GroupPlan(channels, kept)
