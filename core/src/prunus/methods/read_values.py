"""Activations of the channels of a group, where its consumers read them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.groups import Group, Member
from prunus.network import Network
from prunus.recovery.sample_counts import spread

_BATCH = 32

_BYTES = 2**28
"""Bound on the activations of a group's consumers."""

_FEWEST = 4

Samples = Mapping[str, NDArray[np.float32]]


def plain_consumer(network: Network, member: Member) -> ir.Node | None:
    """The one node that reads a weight, if it is a convolution in one group or a matrix product."""
    if member.role != "input" or len(member.axes) != 1:
        return None
    uses = network.model.graph.initializers[member.initializer].uses()
    node = next(iter(uses)).node
    if len(uses) != 1 or node.op_type not in ("Conv", "Gemm", "MatMul"):
        return None
    return node if node.attributes.get_int("group", 1) == 1 else None


def maps_of(network: Network, group: Group, samples: Samples) -> list[NDArray[np.float32]]:
    """Maps of every unit as each value holds them that a consumer reads: ``(N, C, rows, columns)``.

    A map that was flattened before it is read is one row. Empty where no consumer tells
    (`plain_consumer`).
    """
    read: dict[str, tuple[Member, ir.Node]] = {}
    for member in group.members:
        node = plain_consumer(network, member)
        if node is not None and node.inputs[0] is not None:
            read.setdefault(node.inputs[0].name or "", (member, node))
    if not read:
        return []
    values = _values(network, list(read), samples)
    return [_maps(values[name], *reader) for name, reader in read.items()]


def _maps(value: NDArray[np.float32], member: Member, node: ir.Node) -> NDArray[np.float32]:
    channels = value if node.op_type == "Conv" else np.moveaxis(value, -1, 1)
    own = channels[:, member.positions]  # (N, C, k, ...)
    count, units = own.shape[:2]
    if own.ndim > 4:
        return own.reshape(count, units, -1, own.shape[-1])
    return own.reshape(count, units, 1, -1)


def _values(network: Network, names: list[str], samples: Samples) -> dict[str, NDArray[np.float32]]:
    """Values of as many samples, spread over all, as memory is allowed for."""
    available = len(next(iter(samples.values())))
    session = Session(network.model, names, samples=available)
    first = session.run({name: array[:1] for name, array in samples.items()})
    size = sum(array.nbytes for array in first.values())
    chosen = spread(samples, min(available, max(_FEWEST, _BYTES // size)))
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in session.outputs}
    for start in range(0, len(next(iter(chosen.values()))), _BATCH):
        for name, array in session.run(
            {name: array[start : start + _BATCH] for name, array in chosen.items()}
        ).items():
            parts[name].append(array.copy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
