"""Refit the readers of removed channels on some inputs; needs no labels and no training.

From the inputs to the outputs, every weight that reads removed channels is fitted anew:
least squares between what it gives from the channels that are left, as they arrive in the
already pruned network, and what it gave in the original (He et al., ICCV 2017; ThiNet, Luo
et al., ICCV 2017). The error that earlier layers made is so corrected on the way.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.folding import Reader, channel_means, folded, readers_of
from prunus.grouping.find import Grouping
from prunus.masking import mask
from prunus.network import Network
from prunus.recovery.design import Design, design_of
from prunus.recovery.regression import solve_problem
from prunus.recovery.walk import Walk

_BYTES = 2**30
"""Bound on the activations held at once."""

_HELD = 6
"""Estimate: values of the largest size that both networks hold at once."""

_FEWEST = 8

Samples = Mapping[str, NDArray[np.float32]]


def recover(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    samples: Samples,
    seed: int = 0,
) -> Network:
    """Make good what `keep` removes; mask the result afterwards.

    Readers that cannot be refitted (weights used twice, too many inputs) get the mean of
    what they lose in their bias.

    Args:
        network: The network with its weights still whole.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool.
        samples: Graph input name -> ``(N, ...)`` typical inputs.
        seed: Which places of the activations are looked at.
    """
    changed = _refitted(network, grouping, keep, samples, seed)
    # nodes and values of a graph refer to each other: until collected, the masked copies of
    # all weights and the walks' would stay
    gc.collect()
    return network.with_weights(changed)


def _refitted(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    samples: Samples,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """Initializer -> array, for all that changes."""
    order = {node.name: place for place, node in enumerate(network.model.graph)}
    readers = sorted(readers_of(network, grouping, keep), key=lambda r: order[r.node.name])
    found = [design_of(reader, network, grouping) for reader in readers]
    plain = [reader for reader, design in zip(readers, found, strict=True) if design is None]
    changed = _folded(network, grouping, plain, samples)
    designs = [design for design in found if design is not None]
    if not designs:
        return changed
    samples = _some(grouping, designs, samples)
    count = len(next(iter(samples.values())))
    masked = mask(network.with_weights(changed), grouping, keep)
    labelling = grouping.labelling
    before = Walk(network.model, labelling, samples, [design.target for design in designs])
    after = Walk(masked.model, labelling, samples, [design.reader.data for design in designs])
    for number, design in enumerate(designs):
        draw = np.random.default_rng((seed, number))
        problems = design.problems(after.next(), before.next(), count, draw)
        new = design.changes(network, [solve_problem(problem) for problem in problems])
        after.change(new)
        changed |= new
    return changed


def _folded(
    network: Network, grouping: Grouping, readers: Sequence[Reader], samples: Samples
) -> dict[str, NDArray[Any]]:
    if not readers:
        return {}
    values = tuple(dict.fromkeys(reader.data for reader in readers))
    return folded(network, readers, channel_means(network, grouping, values, samples))


def _some(grouping: Grouping, designs: Sequence[Design], samples: Samples) -> Samples:
    """As many samples, spread over all, as activations may be held of."""
    dims = grouping.labelling.dims
    largest = max(int(np.prod(dims[v])) for d in designs for v in (d.target, d.reader.data))
    count = len(next(iter(samples.values())))
    number = min(count, max(_FEWEST, _BYTES // (4 * _HELD * largest)))
    chosen = np.linspace(0, count - 1, number).round().astype(np.int64)
    return {name: array[chosen] for name, array in samples.items()}
