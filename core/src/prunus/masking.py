"""Masks: removed channels contribute nothing downstream (DESIGN section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunus.granularity import WEIGHT
from prunus.groups import Group, Member
from prunus.network import Network
from prunus.selection import fewest_units

if TYPE_CHECKING:
    from prunus.grouping.find import Grouping

_OWN = ("filter", "input", "weight")
"""Roles of the weights that make and read a unit, or are it."""

_ZEROED = frozenset({"filter", "input", "bias", "scale", "shift", "constant"})
"""Roles set to zero; statistics and slopes are left, they act on nothing."""


def mask(network: Network, grouping: Grouping, keep: Mapping[str, NDArray[np.bool_]]) -> Network:
    """Zero the producers' filters and the consumers' input slices of removed units.

    Args:
        network: The network.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool, True for kept.
    """
    return network.with_weights(masked_weights(network, grouping, keep, network.weights()))


def masked_weights(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    weights: Mapping[str, NDArray[np.generic]],
) -> dict[str, NDArray[np.generic]]:
    """Weights that a mask changes: initializer -> array.

    Args:
        network: The network.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool, True for kept.
        weights: All or some weights of the network, or others in their place: initializer ->
            array. Those that are not given are not masked.
    """
    changed: dict[str, NDArray[np.generic]] = {}
    for member, removed in _losing(network, grouping, keep):
        name = member.initializer
        if name not in weights:
            continue
        stored = changed.get(name, weights[name])
        # large weights are copied only where something is not zero yet
        if _used(stored, member)[removed].any():
            changed[name] = stored if name in changed else stored.copy()
            fill(changed[name], member, removed, 0.0)
    return changed


def mask_arrays(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    arrays: Mapping[str, NDArray[np.generic]],
) -> None:
    """The same in place, for some arrays that nobody else uses: `mask` makes no copies of them.

    Args:
        network: The network.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool, True for kept.
        arrays: Others in the place of some weights: initializer -> array.
    """
    for member, removed in _losing(network, grouping, keep):
        if member.initializer in arrays:
            fill(arrays[member.initializer], member, removed, 0.0)


def _losing(
    network: Network, grouping: Grouping, keep: Mapping[str, NDArray[np.bool_]]
) -> Iterator[tuple[Member, NDArray[np.bool_]]]:
    """Slices that a mask sets to zero, and which units lose them."""
    for group in grouping.groups:
        removed = ~keep.get(group.name, np.ones(group.size, bool))
        if removed.any():
            yield from ((one, removed) for one in group.members if _zeroed(network, one))


def weight_masks(
    network: Network, grouping: Grouping, keep: Mapping[str, NDArray[np.bool_]]
) -> dict[str, NDArray[np.bool_]]:
    """Initializer name -> mask of its shape, for groups of single weights that lose some."""
    masks = {}
    for group in grouping.groups:
        if group.unit == WEIGHT and group.name in keep:
            (member,) = group.members
            found = np.ones(member.array(network).shape, bool)
            fill(found, member, ~keep[group.name], 0)
            masks[member.initializer] = found
    return masks


def vectors_at_rest(network: Network, groups: Iterable[Group]) -> dict[str, NDArray[np.generic]]:
    """Per-channel vectors as the mask of all units leaves them: initializer -> array."""
    changed: dict[str, NDArray[np.generic]] = {}
    for member in (member for group in groups for member in group.members):
        if member.role not in _OWN and _zeroed(network, member):
            array = changed.setdefault(member.initializer, member.array(network).copy())
            fill(array, member, np.ones(len(member.positions), bool), 0.0)
    return changed


def _zeroed(network: Network, member: Member) -> bool:
    """Vectors no file holds (a BatchNorm without scale of its own) are left as they are."""
    stored = not network.bindings or member.initializer in network.bindings
    return member.role in _OWN or (member.role in _ZEROED and stored)


def fill(
    array: NDArray[np.generic], member: Member, units: NDArray[np.bool_], value: float
) -> None:
    """Set the slices of some units of an initializer, in place."""
    _slices(array, member)[_index(array, member, units)] = value


def _slices(array: NDArray[np.generic], member: Member) -> NDArray[np.generic]:
    """A view with the member's axes first."""
    return np.moveaxis(array, member.axes, range(len(member.axes)))


def _index(
    array: NDArray[np.generic], member: Member, units: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], ...]:
    shape = [array.shape[axis] for axis in member.axes]
    return np.unravel_index(member.positions[units].ravel(), shape)


def masked_units(network: Network, grouping: Grouping) -> dict[str, NDArray[np.bool_]]:
    """Read the mask back from the weights: group name -> ``(C,)`` bool, True for kept.

    A unit is masked if every filter that makes it and every weight that reads it
    is zero. Groups that keep everything are left out. As many masked units are kept as
    the balance constraints of a group take.
    """
    keep: dict[str, NDArray[np.bool_]] = {}
    weights = network.weights()
    for group in grouping.groups:
        used = _used_units(weights, group)
        chosen = fewest_units(group, used)
        if not chosen.all():
            keep[group.name] = chosen
    return keep


def _used_units(weights: Mapping[str, NDArray[np.generic]], group: Group) -> NDArray[np.bool_]:
    """``(C,)`` whether any weight that makes or reads a unit is not zero."""
    found = [
        _used(weights[member.initializer], member)
        for member in group.members
        if member.role in _OWN
    ]
    return np.logical_or.reduce(found) if found else np.zeros(group.size, bool)


def _used(array: NDArray[np.generic], member: Member) -> NDArray[np.bool_]:
    """``(C,)`` whether any number of a unit is not zero; the weights are not copied."""
    rest = tuple(axis for axis in range(array.ndim) if axis not in member.axes)
    return np.asarray(array.any(rest).ravel()[member.positions].any(1))
