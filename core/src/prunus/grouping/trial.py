"""Trial plans: whether channels that stay still lie where their consumers look for them."""

from __future__ import annotations

import numpy as np

from prunus.channel_ids.shrinking import MisalignedError, shrink
from prunus.grouping.collect import Grouping
from prunus.network import Network
from prunus.selection import choose_units


def misaligned_at(network: Network, grouping: Grouping) -> MisalignedError | None:
    """Where random plans put channels out of line; ``None`` where none does."""
    # without rows a channel's position depends on no other channel: one trial tells
    for seed, ratio in enumerate((0.5, 0.3, 0.7) if grouping.labelling.rows else (0.5,)):
        draw = np.random.default_rng(seed)
        keep = {
            group.name: choose_units(
                group, draw.random(group.size), round(group.size * (1 - ratio))
            )
            for group in grouping.groups
        }
        kept = grouping.kept_channel_ids(keep)
        try:
            shrink(network.model, grouping.labelling, kept, grouping.layers)
        except MisalignedError as error:
            return error
    return None
