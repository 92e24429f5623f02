"""Parts of a Keras model that a training leaves as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.rebuild import leaves


def hold_opaque(model: Any, origin: KerasOrigin) -> None:
    """Do not train layers that the neutral graph does not hold: nobody could write them back.

    Args:
        model: The model to train, not compiled yet.
        origin: The model it was made from.
    """
    names = {id(layer): name for name, layer in origin.layers.items()}
    lowered = {position.holder.node for position in origin.positions.values()}
    old = dict(leaves(origin.model))
    for path, layer in leaves(model):
        if layer.weights and names.get(id(old[path]), path) not in lowered:
            layer.trainable = False


def hold_weights(model: Any, origin: KerasOrigin, masks: Mapping[str, NDArray[np.bool_]]) -> None:
    """Keep masked weights at zero: a constraint, which Keras applies after every update.

    Args:
        model: The model to train.
        origin: The model it was made from.
        masks: Initializer name -> mask of the neutral shape.
    """
    variables = variables_of(model, origin)
    for name, mask in masks.items():
        place = origin.positions[name]
        variable = variables[place.holder.node, place.holder.key]
        kept = place.native_mask(mask).astype(variable.dtype).reshape(variable.shape)
        variable.constraint = _Held(kept, variable.constraint)


class _Held:
    """The user's own constraint, if any, and then the mask."""

    def __init__(self, kept: NDArray[Any], own: Any) -> None:
        self._kept, self._own = kept, own

    def __call__(self, value: Any) -> Any:
        return (value if self._own is None else self._own(value)) * self._kept


def variables_of(model: Any, origin: KerasOrigin) -> dict[tuple[str, str], Any]:
    """Native layer and name of a weight -> its variable in a model made from the original."""
    names = {id(layer): name for name, layer in origin.layers.items()}
    old = dict(leaves(origin.model))
    return {
        (names.get(id(old[path]), path), before.name): variable
        for path, layer in leaves(model)
        for variable, before in zip(layer.weights, old[path].weights, strict=True)
    }


def hold_statistics(model: Any) -> None:
    """Normalise by the stored moments in training too; scale and shift are trained.

    Keras itself has only ``trainable = False``, which would hold scale and shift as well
    (keras/src/layers/normalization/batch_normalization.py).
    """
    import keras

    class Held(keras.layers.BatchNormalization):  # type: ignore[misc]
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(inputs, training=False, mask=mask)

    for _, layer in leaves(model):
        if type(layer) is keras.layers.BatchNormalization:
            layer.__class__ = Held
