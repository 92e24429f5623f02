"""The numbers of a compact graph as new parameters of the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Compact, ModelError, take
from prunus_torch.module.origin import Origin, tensors_of
from prunus_torch.module.own_numbers import own_numbers
from prunus_torch.module.views import Positions

Array = NDArray[Any]


@attrs.frozen(eq=False)
class Seen:
    """Numbers of a parameter as one initializer shows them; positions count from its first one.

    Attributes:
        before: Positions of all, flat.
        left: Positions of those that stay, flat.
        values: What they are now.
    """

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
    weights = compact.weights()
    tensors = tensors_of(origin.module)
    found: dict[int, Array] = {}
    for name, start in origin.places.starts.items():
        shown = [one for one in origin.shown.get(start, ()) if one in weights]
        if start in found or not shown:
            continue
        if len(shown) == 1 and shown[0] not in origin.moved:
            # as it is; groups of a convolution keep inputs of their own, which is no smaller box
            found[start] = weights[shown[0]]
        else:
            old = tensors[name].detach().cpu().numpy()
            parts = [_seen(origin, compact, one, start, old.size) for one in shown]
            found[start] = _left(name, old, parts)
    starts = origin.places.starts
    return {name: found[start] for name, start in starts.items() if start in found}


def _seen(origin: Origin, compact: Compact, initializer: str, start: int, count: int) -> Seen:
    """What an initializer shows of the parameter that starts somewhere."""
    moved = origin.moved.get(initializer)
    where = origin.places.whole(initializer) if moved is None else moved
    left = take(where, compact.kept.get(initializer, {})).ravel() - start
    before = where.ravel() - start
    value = compact.model.graph.initializers[initializer].const_value
    assert value is not None
    own = (left >= 0) & (left < count)
    inside = before[(before >= 0) & (before < count)]
    return Seen(inside, left[own], value.numpy().ravel()[own])


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

    The groups of a convolution, and numbers of the user's own parts.
    """
    found: dict[str, Mapping[str, int]] = {
        **own_numbers(origin.module, origin.targets, compact.model)
    }
    for node in compact.model.graph:
        read = node.inputs[1] if node.op_type in ("Conv", "ConvTranspose") else None
        start = None if read is None else origin.places.starts.get(read.name or "")
        if start is not None:
            groups = node.attributes.get_int("group", 1)
            for name in (n for n, at in origin.places.starts.items() if at == start):
                found[name.rpartition(".")[0]] = {"groups": groups}
    return found
