"""The mean contribution of a removed channel moves into its consumers' biases.

A consumer y = W x + b loses sum over removed i of W[:, i] * x_i. With x_i replaced by
a constant m_i (its mean over samples; without samples the value it has once its
filter is zero) the loss is compensated by b += W[:, i] m_i: exact but at padded borders.
A consumer without bias hands it to the BatchNormalization (mean) or addition behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping.find import Grouping
from prunus.masking import fill
from prunus.network import Network

Means = Mapping[str, NDArray[np.float64]]
"""Value name -> mean of each channel, ``(C,)``."""


@attrs.frozen(eq=False)
class Consumer:
    """A weight that reads channels.

    Attributes:
        node: Its node.
        data: Value it reads.
        weight: Initializer it reads with.
        removed: ``(C,)`` bool, True for the removed channels of ``data``; none where the data
            has only drifted behind removed ones.
    """

    node: ir.Node
    data: str
    weight: str
    removed: NDArray[np.bool_]


def fold(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    samples: Mapping[str, NDArray[np.float32]] | None,
) -> Network:
    """Fold what `keep` removes into biases; mask the result afterwards.

    Args:
        network: The network with its weights still whole.
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool.
        samples: Graph input name -> ``(N, ...)`` typical inputs, or ``None``.
    """
    consumers = consumers_of(network, grouping, keep)
    if not consumers:
        return network
    values = tuple(dict.fromkeys(consumer.data for consumer in consumers))
    means = (
        channel_means(network, grouping, values, samples)
        if samples is not None
        else _resting(network, grouping, keep, values)
    )
    return network.with_weights(folded(network, consumers, means))


def folded(
    network: Network, consumers: Iterable[Consumer], means: Means
) -> dict[str, NDArray[Any]]:
    """Changed weights of consumers that get the means of lost inputs: initializer -> array."""
    weights = network.weights()
    changed: dict[str, NDArray[Any]] = {}
    for consumer in consumers:
        mean = means[consumer.data]
        # what is no number (behind a root of random inputs, say) says nothing about the channel
        constant = np.where(consumer.removed & np.isfinite(mean), mean, 0.0)
        lost = contribution(consumer.node, weights[consumer.weight], constant)
        changed |= moved_constant(consumer.node, network, lost)
    return changed


def channel_means(
    network: Network,
    grouping: Grouping,
    values: tuple[str, ...],
    samples: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float64]]:
    """Mean of every channel of some values over samples and space."""
    count = len(next(iter(samples.values())))
    session = Session(network.model, values, samples=count)
    size = grouping.labelling.samples_at_once(values)
    sums: dict[str, NDArray[np.float64]] = {}
    for start in range(0, count, size):
        part = {name: array[start : start + size] for name, array in samples.items()}
        share = min(size, count - start) / count  # a value's first axis may hold more than samples
        for name, array in session.run(part).items():
            axis = channel_axis(grouping, name)
            axes = tuple(a for a in range(array.ndim) if a != axis)
            sums[name] = sums.get(name, 0) + array.mean(axes, np.float64) * share
    return sums


def _resting(
    network: Network,
    grouping: Grouping,
    keep: Mapping[str, NDArray[np.bool_]],
    values: tuple[str, ...],
) -> dict[str, NDArray[np.float64]]:
    """Channel values once the removed filters are zero.

    Behind a BatchNormalization a dead filter rests at its running mean, so that the
    shift remains; without one it rests at its bias.
    """
    changed: dict[str, NDArray[np.generic]] = {}
    weights = network.weights()
    for group in grouping.groups:
        removed = ~keep.get(group.name, np.ones(group.size, bool))
        normalised = any(member.role == "mean" for member in group.members)
        roles = {"filter", "bias", "mean"} if normalised else {"filter"}
        for member in group.members:
            if member.role in roles and removed.any():
                array = changed.setdefault(member.initializer, weights[member.initializer].copy())
                fill(array, member, removed, 0.0)
    resting = network.with_weights(changed)
    return channel_means(resting, grouping, values, random_inputs(network.model, 1, 0))


def channel_axis(grouping: Grouping, value: str) -> int:
    """The axis of a value that runs over channels; 1 where none does.

    Channel ids may vary on others too (a list of boxes of several scales, pixels shuffled into
    space), but what reads channels has tied them there.
    """
    labels = grouping.labelling.values[value]
    units = grouping.labelling.roots[labels]
    varying = [axis for axis, size in enumerate(labels.shape) if size > 1]
    free = [axis for axis in varying if (units != np.take(units, [0], axis)).any()]
    return next(iter((*free, *varying)), 1)


def consumers_of(
    network: Network, grouping: Grouping, keep: Mapping[str, NDArray[np.bool_]]
) -> list[Consumer]:
    """All consumers of channels that a plan removes."""
    found = all_consumers(network, grouping, keep)
    return [consumer for consumer in found if consumer.removed.any()]


def all_consumers(
    network: Network, grouping: Grouping, keep: Mapping[str, NDArray[np.bool_]]
) -> list[Consumer]:
    """All weights that read channels, in the order of the graph."""
    kept = grouping.kept_channel_ids(keep)
    position = {node.name: (number, node) for number, node in enumerate(network.model.graph)}
    consumers = []
    for record in grouping.labelling.records:
        if record.role == "input":
            number, node = position[record.node]
            data = node.inputs[0]
            assert data is not None
            removed = ~kept[record.labels].ravel()
            consumer = Consumer(node, data.name or "", record.initializer, removed)
            consumers.append((number, consumer))
    return [consumer for _, consumer in sorted(consumers, key=lambda found: found[0])]


def contribution(
    node: ir.Node, weight: NDArray[np.generic], constant: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(O,)`` output of a consumer for inputs that are ``constant`` (C,) everywhere."""
    if node.op_type in ("Gemm", "MatMul"):
        read = "oi,i" if node.attributes.get_int("transB", 0) == 1 else "io,i"
        # in double precision without a copy of the weight: a large layer's would take gigabytes
        lost = np.einsum(f"{read}->o", weight, constant, dtype=np.float64, casting="unsafe")
        return np.asarray(lost)
    kernel = weight.reshape(*weight.shape[:2], -1).sum(2, np.float64)
    if node.op_type == "ConvTranspose":
        strides = node.attributes.get_ints("strides", (1,))
        return np.asarray(constant @ kernel) / float(np.prod(strides))
    groups = len(constant) // kernel.shape[1]
    parts = kernel.reshape(groups, -1, kernel.shape[1])
    return np.asarray(np.einsum("goi,gi->go", parts, constant.reshape(groups, -1)).ravel())


def moved_constant(
    node: ir.Node, network: Network, lost: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Changed weights where ``lost`` (O,) is added to a consumer's output: initializer -> array."""
    place = constant_place(node, network)
    if place is None:
        return {}
    name, sign = place
    stored = network.model.graph.initializers[name].const_value
    assert stored is not None
    array = stored.numpy().astype(np.float64)
    return {name: (array + sign * lost.reshape(array.shape)).astype(np.float32)}


def constant_place(node: ir.Node, network: Network) -> tuple[str, float] | None:
    """Initializer that can take a constant, and its sign; ``None`` where nothing can."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        return (bias.name or "", 1.0) if owned(bias, network) else None
    uses = node.outputs[0].uses()
    if len(uses) != 1 or node.outputs[0].is_graph_output():
        return None
    after = next(iter(uses)).node
    if after.op_type == "BatchNormalization" and owned(after.inputs[3], network):
        assert after.inputs[3] is not None
        return after.inputs[3].name or "", -1.0
    if after.op_type == "Add":
        for value in after.inputs:
            if owned(value, network) and value is not None and value.shape is not None:
                sizes = [int(str(size)) for size in value.shape]
                if int(np.prod(sizes)) == max(sizes, default=1) > 1:
                    return value.name or "", 1.0
    return None


def owned(value: ir.Value | None, network: Network) -> bool:
    """An initializer the format can write back and only one node uses."""
    return value is not None and value.name in network.bindings and len(value.uses()) == 1
