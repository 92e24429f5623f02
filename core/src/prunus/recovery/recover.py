"""Compensate the consumers of removed channels; needs some inputs, no labels and no training.

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

from prunus.folding import Consumer, channel_means, consumers_of, folded
from prunus.grouping.find import Grouping
from prunus.masking import mask
from prunus.network import Network
from prunus.recovery.activation_stream import ActivationStream
from prunus.recovery.design import design_of
from prunus.recovery.regression import solve_problem
from prunus.recovery.sample_counts import Samples, Stage, spread, stages_of


def recover(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    samples: Samples,
    seed: int = 0,
) -> Network:
    """Compensate for the channels that `keep` removes; mask the result afterwards.

    Consumers that cannot be compensated (weights used twice, too many inputs) get the mean
    of their lost inputs in their bias.

    Args:
        network: The network with its weights still whole.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool.
        samples: Graph input name -> ``(N, ...)`` typical inputs.
        seed: Chooses positions of the activations.
    """
    order = {node.name: place for place, node in enumerate(network.model.graph)}
    consumers = sorted(consumers_of(network, grouping, keep), key=lambda r: order[r.node.name])
    found = [design_of(consumer, network, grouping) for consumer in consumers]
    plain = [consumer for consumer, design in zip(consumers, found, strict=True) if design is None]
    changed = _folded(network, grouping, plain, samples)
    designs = [design for design in found if design is not None]
    for stage in stages_of(network, grouping, designs, len(next(iter(samples.values())))):
        masked = mask(network.with_weights(changed), grouping, keep)
        changed |= _fitted(network, masked, grouping, stage, samples, seed)
        del masked
        gc.collect()  # graphs are full of cycles: masked copies of all weights would stay
    return network.with_weights(changed)


def _fitted(
    network: Network,
    masked: Network,
    grouping: Grouping,
    stage: Stage,
    samples: Samples,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """One stage, from the original network and what is masked so far."""
    labelling, designs = grouping.labelling, stage.designs
    chosen = spread(samples, stage.samples)
    changed: dict[str, NDArray[Any]] = {}
    before = ActivationStream(
        network.model, labelling, chosen, [d.target for d in designs.values()]
    )
    after = ActivationStream(
        masked.model, labelling, chosen, [d.consumer.data for d in designs.values()]
    )
    for number, design in designs.items():
        draw = np.random.default_rng((seed, number))
        problems = design.problems(after.next(), before.next(), stage.samples, draw)
        new = design.changes(network, [solve_problem(problem) for problem in problems])
        after.change(new)
        changed |= new
    return changed


def _folded(
    network: Network, grouping: Grouping, consumers: Sequence[Consumer], samples: Samples
) -> dict[str, NDArray[Any]]:
    if not consumers:
        return {}
    values = tuple(dict.fromkeys(consumer.data for consumer in consumers))
    return folded(network, consumers, channel_means(network, grouping, values, samples))
