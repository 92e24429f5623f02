"""Channels that the code of a module does not let go: found by trying, and frozen with a reason.

A forward may hold a size (``x.view(n, 512)``) that no parameter tells. Channels are taken out, the
smaller module runs, and it has to compute what its graph computes; where not, the groups are halved
until it is known which of them the code holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from prunus.plugin import (
    Compact,
    Group,
    ModelError,
    Network,
    Session,
    choose_units,
    compact_graph,
    find_groups,
    relative_error,
)
from prunus_torch.module.exporting import first_line, place_of
from prunus_torch.module.offenders import offenders
from prunus_torch.module.origin import Origin
from prunus_torch.module.rebuild import rebuilt
from prunus_torch.module.run import outputs_of

_WRONG = 2e-5
"""Relative error from which a module computes something else; rounding stays below it. An attention
that divides by the square root of a smaller width differs by a thousandth only."""

_SHARES = (0.3, 0.7)
"""Share of the channels of a group that a trial leaves, at least and at most: groups whose sizes
have to agree (halves of a chunk) get different ones."""


def protected(network: Network) -> Network:
    """The network with the channels frozen that its module cannot lose.

    Raises:
        ModelError: the whole graph does not compute what the module does.
    """
    said = _fault(network, Compact(network.model, {}))
    if said is not None:
        raise ModelError(f"the graph that torch exported is not the module's own: {said}")
    groups, held = _held(network)
    while held:
        network = _frozen(network, groups, held)
        groups, held = _held(network)
    return network


def _frozen(
    network: Network, groups: Sequence[Group], held: Sequence[tuple[Group, str]]
) -> Network:
    """The network without these groups; of attention, heads may go where their width stays.

    torch's attention divides by the root of the width that it finds: its numbers change with the
    width of the heads, and not with how many there are.
    """
    with_heads = {layer for one in groups if one.unit == "head" for layer in one.layers}
    whole, width = dict(network.frozen), dict(network.frozen_width)
    for group, reason in held:
        narrow = group.unit != "head" and with_heads.issuperset(group.layers)
        made = dict.fromkeys(_made(network, group), f"held by the module's code ({reason})")
        (width if narrow else whole).update(made)
    return attrs.evolve(network, frozen=whole, frozen_width=width)


def _held(network: Network) -> tuple[Sequence[Group], list[tuple[Group, str]]]:
    """All groups, and those that the module does not let shrink, with reasons."""
    grouping = find_groups(network)
    draw = np.random.default_rng(0)
    keep = {
        group.name: choose_units(group, draw.random(group.size), _left(group.size, draw))
        for group in grouping.groups
    }

    def fault(groups: Sequence[Group]) -> str | None:
        chosen = {group.name: keep[group.name] for group in groups}
        return _fault(network, compact_graph(network, grouping, chosen))

    return grouping.groups, offenders(grouping.groups, fault) if grouping.groups else []


def _left(size: int, draw: np.random.Generator) -> int:
    return max(1, min(size - 1, round(size * draw.uniform(*_SHARES))))


def _fault(network: Network, compact: Compact) -> str | None:
    """Why the module of a compact network is not that network; ``None`` where it is."""
    origin = network.origin
    assert isinstance(origin, Origin)
    names = [value.name or "" for value in compact.model.graph.inputs]
    try:
        found = outputs_of(rebuilt(origin, compact), origin.example)
    except ModelError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  the user's own code runs
        return first_line(error) + place_of(error)
    wanted = list(Session(compact.model, samples=2).run(origin.example.feeds(names)).values())
    for one, other in zip(wanted, found, strict=True):
        difference = relative_error(one, other)
        if not difference <= _WRONG:
            return f"its numbers differ by {difference:.1e}"
    return None


def _made(network: Network, group: Group) -> list[str]:
    """Values that the producers of a group make."""
    filters = {member.initializer for member in group.members if member.role == "filter"}
    return [
        node.outputs[0].name or ""
        for node in network.model.graph
        if any(value is not None and value.name in filters for value in node.inputs)
    ]
