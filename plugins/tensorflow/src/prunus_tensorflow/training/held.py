"""Parts of a Keras model that a training leaves as they are."""

from __future__ import annotations

from typing import Any

from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.rebuild import leaves


def hold_opaque(model: Any, origin: KerasOrigin) -> None:
    """Do not train layers that the neutral graph does not hold: nobody could write them back.

    Args:
        model: The model to train, not compiled yet.
        origin: The model it was made from.
    """
    names = {id(layer): name for name, layer in origin.layers.items()}
    lowered = {place.holder.node for place in origin.places.values()}
    old = dict(leaves(origin.model))
    for path, layer in leaves(model):
        if layer.weights and names.get(id(old[path]), path) not in lowered:
            layer.trainable = False


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
