"""Compensate for removed channels; needs some inputs, no labels and no training.

From the inputs to the outputs, every weight that reads removed channels, or channels that have
drifted behind removed ones, is fitted anew: least squares between what it gives from the channels
that are left, as they arrive in the already pruned network, and what it gave in the original (He et
al., ICCV 2017; ThiNet, Luo et al., ICCV 2017). The error that earlier layers made is so corrected
on the way. In a second pass the filters before these weights are fitted too
(`prunus.recovery.producers`). Mirror images of pictures are samples too
(`prunus.recovery.mirror_images`). What does not bring the network's own output nearer on held-out
samples is not used.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.folding import Consumer, all_consumers, channel_means, folded
from prunus.graph.macs import COUNTED
from prunus.graph.release import collect_copies, return_memory
from prunus.grouping.find import Grouping
from prunus.masking import mask_arrays, masked_weights, weight_masks
from prunus.network import Network
from prunus.progress import told
from prunus.recovery.activation_stream import ActivationStream, weights_behind
from prunus.recovery.design import Design
from prunus.recovery.find_designs import design_of, with_targets
from prunus.recovery.held_out import Judge, split
from prunus.recovery.importance import importance_of
from prunus.recovery.mirror_images import with_mirror_images
from prunus.recovery.sample_counts import Samples, Stage, count_of, spread, stages_of
from prunus.recovery.set_aside import Weights, set_aside
from prunus.recovery.turns import Fitting, Pass, Seen, consumers_alone, in_turns

_FEW = 128
"""Samples below which those that judged are fitted too, in the end."""


def recover(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    samples: Samples,
    seed: int = 0,
) -> Network:
    """Compensate for the channels or weights that `keep` removes; mask the result afterwards.

    Consumers that cannot be compensated (weights used twice, too many inputs) get the mean
    of their lost inputs in their bias; of single weights, the others stay as they are there.

    Args:
        network: The network with its weights still whole.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool.
        samples: Graph input name -> ``(N, ...)`` typical inputs.
        seed: Chooses positions of the activations.
    """
    course = _course(network, grouping, keep, seed, (consumers_alone, in_turns))
    fitted, held_out = split(samples)
    fitted = with_mirror_images(network, grouping, fitted)
    if held_out is None:
        return network.with_weights(course.end(fitted, len(course.steps(fitted))))
    judge = Judge(network, grouping, keep, held_out)
    if count_of(samples) >= _FEW:
        return network.with_weights(judge.nearest(course.states(fitted)))
    # each of few samples is needed: in the end those held out are fitted too
    number = judge.number_of_nearest(course.states(fitted))
    collect_copies(network.model)
    every = with_mirror_images(network, grouping, samples)
    alike = len(course.steps(every)) == len(course.steps(fitted))
    return network.with_weights(course.end(every if alike else fitted, number))


def recover_once(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    samples: Samples,
    seed: int = 0,
) -> Network:
    """Compensate once, by consumers alone, and use it unchecked: to compare plans with.

    `recover` fits producers in a second pass, and fits few samples twice: those that judged are
    fitted to in the end.

    Args:
        network: The network with its weights still whole.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool.
        samples: Graph input name -> ``(N, ...)`` typical inputs.
        seed: Chooses positions of the activations.
    """
    course = _course(network, grouping, keep, seed, (consumers_alone,))
    every = with_mirror_images(network, grouping, samples)
    return network.with_weights(course.end(every, len(course.steps(every))))


@attrs.frozen(eq=False)
class _Course:
    """The way from a folded network to one whose weights are fitted, in steps.

    Attributes:
        network: The original network.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool.
        folding: Consumers that lose channels.
        designs: Consumers that are fitted.
        passes: What is fitted at once, each time the network is gone through.
        seed: Chooses positions of the activations.
    """

    network: Network
    grouping: Grouping
    keep: Mapping[str, NDArray[np.bool_]]
    folding: Sequence[Consumer]
    designs: Sequence[Design]
    passes: Sequence[Pass]
    seed: int

    def steps(self, samples: Samples) -> list[tuple[Pass, Stage]]:
        """A stage of a pass each."""
        stages = stages_of(self.network, self.grouping, self.designs, count_of(samples))
        return [(fittings_of, stage) for fittings_of in self.passes for stage in stages]

    def states(self, samples: Samples) -> Iterator[Weights]:
        """The folded network, and what it is after each step.

        Changed weights of layers that a step does not run wait where large ones take no memory.
        """
        network, grouping, keep = self.network, self.grouping, self.keep
        changed: Weights = _folded(network, grouping, self.folding, samples)
        collect_copies(network.model)
        yield changed
        for fittings_of, stage in self.steps(samples):
            fittings = fittings_of(stage.designs, network, grouping, keep)
            read = weights_behind(network.model, [v for f in fittings.values() for v in f.inputs])
            waiting = set_aside({n: array for n, array in changed.items() if n not in read})
            changed = {n: array for n, array in changed.items() if n in read}
            masked = _masked(network.with_weights(changed), grouping, keep, read)
            found = _fitted(network, masked, grouping, stage, fittings, samples, self.seed)
            del masked
            mask_arrays(network, grouping, keep, found)
            changed = {**waiting(), **changed, **found}
            del found, waiting  # they would keep what the next step replaces
            collect_copies(network.model)
            yield changed

    def end(self, samples: Samples, number: int) -> Weights:
        """Changed weights after so many steps."""
        states = self.states(samples)
        for _ in range(number):
            next(states)  # held by no name: it would stay in memory while the next one is made
        return next(states)


def _course(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    seed: int,
    passes: Sequence[Pass],
) -> _Course:
    masks = weight_masks(network, grouping, keep)
    consumers = _touched(network, grouping, keep, masks)
    touched = [(c, design_of(c, network, grouping, masks.get(c.weight))) for c in consumers]
    folding = [consumer for consumer, _ in touched if consumer.removed.any()]
    designs = [design for _, design in touched if design is not None]
    designs = with_targets(designs, network, grouping.labelling.dims)
    return _Course(network, grouping, keep, folding, designs, passes, seed)


def consumers_of_weights(
    network: Network, masks: Mapping[str, NDArray[np.bool_]]
) -> list[Consumer]:
    """Consumers with masked single weights; none of their channels is removed."""
    found = []
    for node in network.model.graph:
        weight = node.inputs[1] if node.op_type in COUNTED else None
        data = node.inputs[0] if weight is not None and weight.name in masks else None
        if data is not None and weight is not None and weight.name is not None:
            inputs = _inputs(node, masks[weight.name].shape)
            found.append(Consumer(node, data.name or "", weight.name, np.zeros(inputs, bool)))
    return found


def _inputs(node: ir.Node, shape: tuple[int, ...]) -> int:
    """Input channels of a node by the shape of its weight."""
    if node.op_type == "Conv":
        return shape[1] * node.attributes.get_int("group", 1)
    return shape[1] if node.attributes.get_int("transB", 0) == 1 else shape[0]


def _touched(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    masks: Mapping[str, NDArray[np.bool_]],
) -> list[Consumer]:
    """Consumers that lose channels or single weights, and consumers of what such nodes make."""
    consumers = [*all_consumers(network, grouping, keep), *consumers_of_weights(network, masks)]
    order = {node.name: position for position, node in enumerate(network.model.graph)}
    consumers.sort(key=lambda consumer: order[consumer.node.name])
    losing = {c.node.name for c in consumers if c.removed.any() or c.weight in masks}
    drifted: set[str | None] = set()
    for node in network.model.graph:
        read = {value.name for value in node.inputs if value is not None}
        if node.name in losing or not drifted.isdisjoint(read):
            drifted.update(value.name for value in node.outputs)
    return [
        consumer
        for consumer in consumers
        if consumer.removed.any() or consumer.weight in masks or consumer.data in drifted
    ]


def _masked(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    names: Iterable[str],
) -> Network:
    """A network in which some weights are masked: initializer names."""
    stored = network.weights()
    weights = {name: stored[name] for name in names}
    return network.with_weights(masked_weights(network, grouping, keep, weights))


def _fitted(
    network: Network,
    masked: Network,
    grouping: Grouping,
    stage: Stage,
    fittings: Mapping[int, Fitting],
    samples: Samples,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """One stage, from the original network and what is masked so far."""
    labelling, designs = grouping.labelling, stage.designs
    chosen = spread(samples, stage.samples)
    before = ActivationStream(
        network.model, labelling, chosen, [(d.target.value,) for d in designs.values()]
    )
    importance = importance_of(network, grouping, chosen)
    after = ActivationStream(masked.model, labelling, chosen, [f.inputs for f in fittings.values()])
    known, changed = masked.weights(), dict[str, NDArray[Any]]()
    for number, fitting in told("compensation", list(fittings.items())):
        draw = np.random.default_rng((seed, number))
        values, wanted = after.next(), before.next()[0]
        now = ChainMap(changed, known)
        seen = Seen(values, wanted, stage.samples, draw, importance, now)
        found = fitting.fitted(network, seen)
        after.change(found.weights, found.values)
        changed |= found.weights
        return_memory(network.model)
    return changed


def _folded(
    network: Network, grouping: Grouping, consumers: Sequence[Consumer], samples: Samples
) -> dict[str, NDArray[Any]]:
    if not consumers:
        return {}
    values = tuple(dict.fromkeys(consumer.data for consumer in consumers))
    return folded(network, consumers, channel_means(network, grouping, values, samples))
