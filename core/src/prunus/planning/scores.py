"""Scores of channels, by one criterion for every group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion
from prunus.errors import DataError, PluginError
from prunus.host import Host
from prunus.prunable import Prunable

DEFAULT_CRITERION = "l1"


def scores_of(
    host: Host,
    criterion: str,
    subject: Prunable,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Scores of every group: group name -> ``(C,)``, higher is kept.

    Args:
        host: Plugins.
        criterion: Name of the criterion.
        subject: The network and its groups.
        samples: Graph input name -> ``(N, ...)`` inputs, or ``None``.
        seed: Of everything drawn.

    Raises:
        DataError: the criterion needs samples and there are none.
        PluginError: it gave something else than one finite number a channel.
    """
    descriptor = host.find(Criterion, criterion).descriptor
    assert isinstance(descriptor, Criterion)
    if descriptor.needs_samples and samples is None:
        raise DataError(f"criterion '{criterion}' needs samples; give --data")
    scores = {}
    for group in subject.grouping.groups:
        found = host.call(
            Criterion,
            criterion,
            "prunus_rank",
            network=subject.network,
            group=group,
            samples=samples,
            seed=seed,
        )
        if not _is_score(found, group.size):
            raise PluginError(
                f"criterion '{criterion}' gave no finite score for each of the {group.size} "
                f"channels of group '{group.name}'"
            )
        scores[group.name] = np.asarray(found, np.float64)
    return scores


def _is_score(found: object, channels: int) -> bool:
    """Whether a criterion gave one finite number a channel."""
    try:
        numbers = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.shape == (channels,) and bool(np.isfinite(numbers).all())
