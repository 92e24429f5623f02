"""The two training functions prunus brings for graphs: cross entropy, and distillation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prunus.plugin import Batch, DataError, UsageError
from prunus_tensorflow.graphdef.names import full
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.training.distillation import distance, divergence
from prunus_tensorflow.training.graph_session import CompactGraph
from prunus_tensorflow.training.graph_update import Update
from prunus_tensorflow.training.labels import check_classes, labels_of
from prunus_tensorflow.training.samples import Targets

TrainFunction = Callable[..., None]
"""``train(session, graph, batches, step)``; the contract is in the README."""


def cross_entropy(compact: CompactGraph, update: Update) -> tuple[TrainFunction, Targets]:
    """Softmax cross entropy of the graph's one output, and the labels it takes.

    Raises:
        UsageError: the graph has several outputs, or no score for each class.
    """
    ends = compact.origin.ends
    if len(ends) != 1:
        raise UsageError(
            f"the graph has outputs {', '.join(ends)}, and a sample has one label: give "
            "--train-fn, or use --distill"
        )
    name = ends[0]
    scores = _scores(compact.graph, name)
    shape = scores.shape.as_list() if scores.shape.rank else []
    if len(shape) < 2 or not shape[-1] or any(size != 1 for size in shape[1:-1]):
        raise UsageError(
            f"output '{name}' of shape {shape} holds no score for each class: give --train-fn, or "
            "use --distill"
        )

    def targets(batch: Batch) -> Any:
        labels = labels_of(batch)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError("the training labels are no class numbers: give --train-fn")
        check_classes(labels, shape[-1])
        return labels

    def train(session: Any, graph: Any, batches: Iterable[Any], step: Any) -> None:
        tf = tensorflow()
        wanted = tf.compat.v1.placeholder(tf.int64, [None])
        flat = tf.reshape(scores, [-1, shape[-1]])
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=flat)
        )
        rate, apply = update.of(loss)
        for feed, labels in batches:
            step(*session.run([loss, rate, apply], {**feed, wanted: labels})[:2])

    return train, targets


def distillation(
    compact: CompactGraph, update: Update, teacher: Callable[[Batch], Sequence[Any]]
) -> tuple[TrainFunction, Targets]:
    """Distance of every output to the original network's; needs no labels.

    Outputs of a final softmax by `divergence`, others by `distance`.

    Args:
        compact: The graph.
        update: How to update.
        teacher: A batch -> the original network's outputs.
    """
    names = compact.origin.ends

    def train(session: Any, graph: Any, batches: Iterable[Any], step: Any) -> None:
        tf = tensorflow()
        total, wanted = tf.constant(0.0), []
        for name in names:
            found = tf.cast(graph.as_graph_element(full(name)), tf.float32)
            goal = tf.compat.v1.placeholder(tf.float32, found.shape)
            measure = divergence if _is_softmax(graph, name) else distance
            total += tf.reduce_mean(measure(goal, found))
            wanted.append(goal)
        rate, apply = update.of(total)
        for feed, goals in batches:
            given = {**feed, **dict(zip(wanted, goals, strict=True))}
            step(*session.run([total, rate, apply], given)[:2])

    return train, teacher


def _scores(graph: Any, name: str) -> Any:
    """The scores before a final softmax, or the output itself."""
    tensor = graph.as_graph_element(full(name))
    return _behind(tensor).op.inputs[0] if _is_softmax(graph, name) else tensor


def _is_softmax(graph: Any, name: str) -> bool:
    return bool(_behind(graph.as_graph_element(full(name))).op.type == "Softmax")


def _behind(tensor: Any) -> Any:
    while tensor.op.type in ("Identity", "StopGradient"):
        tensor = tensor.op.inputs[0]
    return tensor
