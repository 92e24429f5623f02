"""The numbers of a compact graph as new parameters of the module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Compact, ModelError, take
from prunus_torch.module.origin import Origin, tensors_of
from prunus_torch.module.views import Positions

Array = NDArray[Any]


@attrs.frozen(eq=False)
class Seen:
    """Numbers of parameters as one initializer shows them.

    Attributes:
        initializer: Its name.
        before: Positions of all, flat.
        left: Positions of those that stay, flat.
        values: What they are now.
    """

    initializer: str
    before: Positions
    left: Positions
    values: Array


def new_state(origin: Origin, compact: Compact) -> dict[str, Array]:
    """Name of a parameter or buffer -> its numbers in the compact network, smaller or not.

    Shared parameters come under each of their names; what the graph does not use is left out.

    Raises:
        ModelError: what is left of a parameter is no smaller tensor, or two places of the graph
            that share a parameter hold different numbers for it.
    """
    tensors = tensors_of(origin.module)
    seen = list(_seen(origin, compact))
    weights = compact.weights()
    state: dict[str, Array] = {}
    for name, start in origin.places.starts.items():
        tensor = tensors[name]
        inside = [part for one in seen if (part := _within(one, start, tensor.numel())) is not None]
        if len(inside) == 1 and inside[0].initializer in origin.places.starts:
            # as it is; groups of a convolution keep inputs of their own, which is no smaller box
            state[name] = weights[inside[0].initializer]
        elif inside:
            state[name] = _left(name, tensor.detach().cpu().numpy(), inside)
    return state


def _seen(origin: Origin, compact: Compact) -> Iterable[Seen]:
    for initializer, where in origin.positions.items():
        value = compact.model.graph.initializers.get(initializer)
        if value is not None and value.const_value is not None:
            left = take(where, compact.kept.get(initializer, {}))
            yield Seen(initializer, where.ravel(), left.ravel(), value.const_value.numpy().ravel())


def _within(seen: Seen, start: int, count: int) -> Seen | None:
    """What an initializer shows of one parameter, counted from its first number."""
    before = seen.before - start
    before = before[(before >= 0) & (before < count)]
    if not before.size:
        return None
    left = seen.left - start
    own = (left >= 0) & (left < count)
    return Seen(seen.initializer, before, left[own], seen.values[own])


def _left(name: str, old: Array, parts: list[Seen]) -> Array:
    """A parameter without the rows, columns, … that no initializer shows any more."""
    shown, stays = np.zeros(old.size, bool), np.zeros(old.size, bool)
    new = old.reshape(-1).copy()
    for part in parts:
        again = stays[part.left]
        if (new[part.left][again] != part.values[again]).any():
            raise ModelError(
                f"parameter '{name}': it is used in several places, which hold different numbers "
                "for it now; exclude the layers that share it (--exclude)"
            )
        shown[part.before], stays[part.left] = True, True
        new[part.left] = part.values
    axes = _axes(shown.reshape(old.shape), stays.reshape(old.shape))
    box = np.ix_(*axes) if axes else ()
    if int(stays.sum()) != int(stays.reshape(old.shape)[box].sum()):
        raise ModelError(f"parameter '{name}': its parts keep different channels")
    if (shown & ~stays).reshape(old.shape)[box].any():
        raise ModelError(f"parameter '{name}': its parts keep different numbers of channels")
    return new.reshape(old.shape)[box]


def _axes(shown: NDArray[np.bool_], stays: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Indices of each axis that stay: those of which something stays, or nothing was shown."""
    found = []
    for axis in range(shown.ndim):
        others = tuple(other for other in range(shown.ndim) if other != axis)
        found.append(np.flatnonzero(stays.any(others) | ~shown.any(others)))
    return found


def numbers_of(origin: Origin, compact: Compact) -> Mapping[str, Mapping[str, int]]:
    """Part of the module -> attributes that the sizes of its parameters do not tell.

    The groups of a convolution.
    """
    found: dict[str, Mapping[str, int]] = {}
    for node in compact.model.graph:
        read = node.inputs[1] if node.op_type in ("Conv", "ConvTranspose") else None
        start = None if read is None else origin.places.starts.get(read.name or "")
        if start is not None:
            groups = node.attributes.get_int("group", 1)
            for name in (n for n, at in origin.places.starts.items() if at == start):
                found[name.rpartition(".")[0]] = {"groups": groups}
    return found
