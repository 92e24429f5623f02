"""Weights of a network, shared by a method that a plugin offers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.compression.bits import Bits, bits_of
from prunus.compression.shared import Shared, coded_by, rounded, shared_exactly
from prunus.descriptors import Sharing
from prunus.errors import ModelError
from prunus.host import Host
from prunus.network import Network
from prunus.third_party import shown, wrong_answer

DEFAULT_SHARING = "k-means"


def shareable(
    network: Network, model: ir.Model, exclude: tuple[str, ...]
) -> Iterator[tuple[str, str, NDArray[np.floating]]]:
    """Weights of convolutions and fully connected layers: their name, layer and values.

    Args:
        network: Says where each tensor belongs.
        model: Its graph, or that of its compact form.
        exclude: Layers that stay whole.
    """
    for name, binding in network.bindings.items():
        value = model.graph.initializers.get(name)
        tensor = None if value is None else value.const_value
        if binding.role != "weight" or tensor is None or tensor.shape.rank() < 2:
            continue
        names = {binding.layer, *network.aliases.get(binding.layer, ())}
        weights = tensor.numpy()
        if weights.dtype in (np.float16, np.float32, np.float64) and not names & set(exclude):
            yield name, binding.layer, weights


def share(
    host: Host,
    network: Network,
    model: ir.Model,
    *,
    bits: Bits,
    sharing: str,
    exclude: tuple[str, ...],
) -> dict[str, Shared]:
    """Shared form of every tensor that can share.

    Raises:
        ModelError: a weight is not finite.
        PluginError: the sharing gave values that cannot be used.
    """
    found = {}
    for name, layer, weights in shareable(network, model, exclude):
        if not np.isfinite(weights).all():
            raise ModelError(f"layer '{layer}': '{name}' holds weights that are not finite")
        room = 2 ** bits_of(bits, network, layer, weights.ndim)
        found[name] = _shared(host, sharing, name, weights, room)
    return found


def _shared(
    host: Host, sharing: str, name: str, weights: NDArray[np.floating], room: int
) -> Shared:
    found = shared_exactly(weights, room)
    if found is not None:
        return found
    held = weights[weights != 0]
    zeros = int(held.size < weights.size)
    count = room - zeros
    values = rounded(_chosen(host, sharing, name, held, count))
    return coded_by(np.unique(np.concatenate((values, np.zeros(zeros, values.dtype)))), weights)


def _chosen(
    host: Host, sharing: str, name: str, held: NDArray[np.floating], count: int
) -> NDArray[np.floating]:
    """Values by the plugin, in the tensor's own kind of numbers.

    Raises:
        PluginError: there are none, too many, or some that are no weights.
    """
    found = host.call(Sharing, sharing, "prunus_share", weight=name, values=held, count=count)
    values = np.asarray(found)
    if values.ndim != 1 or not 1 <= values.size <= count or values.dtype.kind != "f":
        said = shown(found)
    else:
        values = values.astype(held.dtype)
        if np.isfinite(values).all() and values.all():
            return values
        said = "a value that is zero or not finite"
    owner = host.find(Sharing, sharing)
    wanted = f"1 to {count} finite numbers other than zero for '{name}'"
    raise wrong_answer(str(owner), "prunus_share", said, wanted)
