"""Criterion ``random``: the yardstick every other criterion has to beat."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Descriptor
from prunus.groups import Group
from prunus.hookspecs import hookimpl
from prunus.network import Network


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One criterion."""
    return (Criterion("random", "uniform random scores, by seed"),)


@hookimpl
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Uniform in [0, 1), drawn from the seed and the group's name."""
    draw = np.random.default_rng([seed, zlib.crc32(group.name.encode())])
    return draw.random(group.size)
