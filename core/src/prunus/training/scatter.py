"""Trained weights in the compact graph, and back at their positions in the full network."""

from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import PluginError
from prunus.network import Compact, Network
from prunus.training.job import Weights


def scatter(network: Network, compact: Compact, trained: Weights) -> dict[str, NDArray[np.generic]]:
    """Put compact weights back to their positions in the full network; removed positions stay.

    Args:
        network: The masked network.
        compact: Its compact form.
        trained: Initializer name -> array of the compact shape.

    Returns:
        Initializer name -> array of the full shape.

    Raises:
        PluginError: an array is not of the compact network, or holds NaN or infinite numbers.
    """
    full = network.weights()
    small = compact.model.graph.initializers
    result = {}
    for name, array in trained.items():
        shape = small[name].shape if name in small else None
        if shape is None or tuple(shape) != array.shape or not np.isfinite(array).all():
            raise PluginError(
                f"the trainer gave weights '{name}' of shape {array.shape} that do not fit the "
                f"compact network ({shape or 'no such weights'}) or are no finite numbers"
            )
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
