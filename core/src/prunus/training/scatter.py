"""Trained weights in the compact graph, and back at their positions in the full network."""

from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import PluginError
from prunus.network import Compact, Network
from prunus.third_party import shown
from prunus.training.job import Weights


def scatter(
    network: Network, compact: Compact, trained: Weights, owner: str = "the trainer"
) -> dict[str, NDArray[np.generic]]:
    """Put compact weights back to their positions in the full network; removed positions stay.

    Args:
        network: The masked network.
        compact: Its compact form.
        trained: Initializer name -> array of the compact shape.
        owner: Whose weights they are, for errors.

    Returns:
        Initializer name -> array of the full shape.

    Raises:
        PluginError: an array is not of the compact network, or holds NaN or infinite numbers.
    """
    full = network.weights()
    small = compact.model.graph.initializers
    result = {}
    for name, array in trained.items():
        said = f"{owner} gave no usable weights '{name}'"
        shape = small[name].shape if name in small else None
        if shape is None:
            raise PluginError(f"{said}: the compact network has no such weights")
        wanted = tuple(int(str(size)) for size in shape)
        given = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
        if not given or array.shape != wanted:
            raise PluginError(f"{said}: {shown(array)} instead of numbers of shape {wanted}")
        if not np.isfinite(array).all():
            raise PluginError(f"{said}: NaN or infinite numbers")
        target = full[name].copy()
        axes = dict(compact.kept.get(name, {}))
        _put(target, np.asarray(array, target.dtype), axes)
        result[name] = target
    return result


def _put(
    target: NDArray[np.generic], values: NDArray[np.generic], axes: dict[int, NDArray[np.int64]]
) -> None:
    rows = axes.get(1)
    if rows is None or rows.ndim == 1:
        index = [axes.get(axis, np.arange(size)) for axis, size in enumerate(target.shape)]
        target[np.ix_(*index)] = values
        return
    outputs = axes.get(0, np.arange(target.shape[0]))
    columns = np.repeat(rows, len(outputs) // len(rows), axis=0)
    target[outputs[:, None], columns] = values


def with_weights(compact: Compact, weights: Weights) -> Compact:
    """The compact network with other weights."""
    model = compact.model.clone()
    for name, array in weights.items():
        model.graph.initializers[name].const_value = ir.tensor(
            np.asarray(array, order="C"), name=name
        )
    return attrs.evolve(compact, model=model)
