"""Masks of single weights in a training: from a plan, and back to one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Trainer
from prunus.errors import PluginError, UsageError
from prunus.granularity import CHANNEL
from prunus.groups import Group
from prunus.host import Host
from prunus.masking import weight_masks
from prunus.prunable import Prunable
from prunus.selection import choose_units
from prunus.training.job import Splicing, Weights

Keep = Mapping[str, NDArray[np.bool_]]


def check_holds(host: Host, trainer: str, subject: Prunable, *, regrow: bool) -> None:
    """Refuse a trainer that cannot keep single weights at zero, or cannot let them regrow.

    Raises:
        UsageError: that is so; names those that can.
    """
    found = host.find(Trainer, trainer).descriptor
    assert isinstance(found, Trainer)
    if subject.granularity.unit == CHANNEL:
        if regrow:
            raise UsageError("--regrow is for masks of single weights; this mask is of channels")
        return
    able = [t for t in host.all(Trainer) if not t.formats or subject.network.format in t.formats]
    if regrow and not found.regrows_weights:
        mend = " or ".join(one.name for one in able if one.regrows_weights)
        raise UsageError(f"trainer {trainer} cannot regrow masked weights; use --trainer {mend}")
    if not found.holds_weights:
        mend = " or ".join(one.name for one in able if one.holds_weights)
        raise UsageError(
            f"trainer {trainer} cannot hold masks of single weights; use --trainer {mend}"
        )


def masks_of(subject: Prunable, keep: Keep) -> dict[str, NDArray[np.bool_]]:
    """Initializer name -> mask of its shape; empty where the units are channels."""
    return weight_masks(subject.network, subject.grouping, keep)


def splicing_of(subject: Prunable, keep: Keep, interval: int) -> Splicing:
    """Each layer keeps as many weights as before, or its pattern: those of the largest value."""
    groups = [group for group in subject.grouping.groups if group.name in keep]

    def choose(weights: Weights) -> dict[str, NDArray[np.bool_]]:
        chosen = {
            group.name: choose_units(
                group, _magnitudes(group, weights), int(keep[group.name].sum())
            )
            for group in groups
        }
        return masks_of(subject, chosen)

    return Splicing(interval, choose)


def kept_after(
    owner: str, subject: Prunable, keep: Keep, weights: Weights, *, regrow: bool
) -> dict[str, NDArray[np.bool_]]:
    """The plan that trained weights hold: the same, or what grew in its place.

    Raises:
        PluginError: the trainer did not hold the masks.
    """
    found = dict(keep)
    if subject.granularity.unit == CHANNEL:
        return found
    for group in (group for group in subject.grouping.groups if group.name in keep):
        if group.members[0].initializer not in weights:
            continue
        used = _magnitudes(group, weights) != 0
        count = int(keep[group.name].sum())
        if regrow:
            found[group.name] = choose_units(group, used.astype(np.float64), count)
        if (used & ~found[group.name]).any():
            raise PluginError(
                f"{owner} did not hold the mask of '{group.name}': "
                f"{int((used & ~found[group.name]).sum())} masked weights are not zero"
            )
    return found


def _magnitudes(group: Group, weights: Weights) -> NDArray[np.float64]:
    (member,) = group.members
    values = np.asarray(weights[member.initializer], np.float64)
    return np.abs(values.ravel()[member.positions[:, 0]])
