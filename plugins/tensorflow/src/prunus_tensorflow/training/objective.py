"""Loss and targets: the user's compiled loss, or distillation of the original network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prunus.plugin import Batch, UsageError
from prunus_tensorflow.keras_model.metric import BINARY
from prunus_tensorflow.keras_model.recipe import loss_name
from prunus_tensorflow.training.distillation import distance, divergence
from prunus_tensorflow.training.labels import check_classes, labels_of
from prunus_tensorflow.training.samples import Targets

_ONE_HOT = frozenset(
    "categorical_crossentropy categorical_focal_crossentropy categorical_hinge kl_divergence "
    "kullback_leibler_divergence mean_squared_error mean_absolute_error cosine_similarity".split()
)


def default_loss(model: Any) -> Any:
    """Cross entropy of classes, for a model that was never compiled.

    Raises:
        UsageError: the model has several outputs: nobody can know their losses.
    """
    import keras

    if len(model.outputs) != 1:
        raise UsageError(
            f"model '{model.name}' has {len(model.outputs)} outputs and was not compiled: "
            "compile it before saving, or use --distill"
        )
    return keras.losses.SparseCategoricalCrossentropy(from_logits=not is_softmax(model.outputs[0]))


def label_targets(model: Any) -> Targets:
    """Labels in the form the compiled loss takes.

    Raises:
        DataError: at a batch without labels, or with class numbers out of range.
        UsageError: the model has several outputs, which one label cannot teach.
    """
    if len(model.outputs) != 1:
        raise UsageError(
            f"model '{model.name}' has {len(model.outputs)} outputs, and a sample has one label: "
            "use --distill"
        )
    name = loss_name(_single(model.loss))
    classes = model.outputs[0].shape[-1]

    def targets(batch: Batch) -> Any:
        labels = labels_of(batch)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            return labels
        if (name in _ONE_HOT or name.startswith("sparse_")) and classes and classes > 1:
            check_classes(labels, classes)
            one_hot = np.eye(classes, dtype=np.float32)
            return one_hot[labels] if name in _ONE_HOT else labels
        if name in BINARY or classes == 1:
            return labels.astype(np.float32)[:, None]
        return labels

    return targets


def distillation(student: Any, teacher: Any, inputs: Sequence[str]) -> tuple[Any, Targets]:
    """Losses for each output and targets made by the teacher.

    Outputs of a final softmax by `divergence`, others by `distance`.
    """
    tf_run = _compiled(teacher)
    losses = [divergence if is_softmax(symbol) else distance for symbol in student.outputs]

    def targets(batch: Batch) -> Any:
        arrays = [np.ascontiguousarray(batch.inputs[name], np.float32) for name in inputs]
        found = [np.asarray(value) for value in tf_run(arrays)]
        return tuple(found) if len(found) > 1 else found[0]

    return (losses if len(losses) > 1 else losses[0]), targets


def is_softmax(symbol: Any) -> bool:
    """True for an output that is made by a softmax along its last axis."""
    layer = symbol._keras_history.operation
    if type(layer).__name__ == "Softmax":
        return getattr(layer, "axis", -1) in (-1, len(symbol.shape) - 1)
    inner = getattr(layer, "activation", None)
    if hasattr(layer, "layers") and len(getattr(layer, "outputs", ())) == 1:
        return is_softmax(layer.outputs[0])
    return getattr(inner, "__name__", "") == "softmax"


def _compiled(teacher: Any) -> Callable[[Sequence[Any]], list[Any]]:
    import keras
    import tensorflow as tf

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def run(arrays: Any) -> Any:
        return teacher(arrays if len(arrays) > 1 else arrays[0], training=False)

    def outputs(arrays: Sequence[Any]) -> list[Any]:
        return list(keras.tree.flatten(run([tf.constant(array) for array in arrays])))

    return outputs


def _single(loss: Any) -> Any:
    if isinstance(loss, Mapping):
        return next(iter(loss.values()), None)
    if isinstance(loss, list | tuple):
        return loss[0] if loss else None
    return loss
