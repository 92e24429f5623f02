"""Loss terms, normalised as Caffe does: by the batch, not by the number of updates.

Sources: Caffe ``softmax_loss_layer.cpp``, ``sigmoid_cross_entropy_loss_layer.cpp``,
``euclidean_loss_layer.cpp``, ``hinge_loss_layer.cpp``, ``loss_layer.hpp`` (``GetNormalizer``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from prunus.plugin import DataError, Loss, ModelError, UsageError
from prunus_torch.heads import Head, head_of

Term = Callable[[Mapping[str, Tensor], Any], Tensor]
"""Values of the graph and the batch's labels -> scalar."""

Measure = Callable[[Tensor, Any, Loss, int], Tensor]
"""Scores, labels, loss, class axis -> scalar."""


def build_term(loss: Loss, model: ir.Model) -> tuple[Term, tuple[str, ...]]:
    """Prepare a loss term.

    Args:
        loss: The term; without outputs it reads the last graph output.
        model: The graph it belongs to.

    Returns:
        The term and the names of the graph values it reads.

    Raises:
        ModelError: it reads an output the graph has not.
        UsageError: its kind is not known.
    """
    known = [str(value.name) for value in model.graph.outputs]
    outputs = loss.outputs or (known[-1],)
    for name in outputs:
        if name not in known:
            raise ModelError(f"loss '{loss.kind}' reads output '{name}', the graph has {known}")
    if ":" in loss.kind:
        return _foreign(loss, outputs), outputs
    if loss.kind not in MEASURES:
        raise UsageError(
            f"loss '{loss.kind}' is not known; use {', '.join(sorted(MEASURES))} or module:function"
        )
    measure = MEASURES[loss.kind][0]
    head = scores_of(loss.kind, model, outputs[0])
    axis = head.axis if head.activation else int(loss.parameters.get("axis", 1))

    def term(values: Mapping[str, Tensor], labels: Any) -> Tensor:
        if labels is None:
            raise DataError(
                f"loss '{loss.kind}' needs labels and the samples have none; use --distill"
            )
        return measure(values[head.value], labels, loss, axis) * loss.weight

    return term, (head.value,)


def scores_of(kind: str, model: ir.Model, output: str) -> Head:
    """Scores that a kind of loss reads: before the final activation that it replaces."""
    head = head_of(model, output)
    replaced = kind in MEASURES and head.activation in MEASURES[kind][1]
    return head if replaced else Head(output, output)


def _foreign(loss: Loss, outputs: tuple[str, ...]) -> Term:
    module, _, name = loss.kind.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"loss '{loss.kind}' cannot be imported: {error}") from error

    def term(values: Mapping[str, Tensor], labels: Any) -> Tensor:
        result = function({name: values[name] for name in outputs}, labels, loss.parameters)
        return torch.as_tensor(result) * loss.weight

    return term


def _classes(scores: Tensor, labels: Any, ignored: int | None) -> Tensor:
    """Labels in the shape of ``scores`` without its class axis (1)."""
    target = torch.as_tensor(np.asarray(labels), device=scores.device)
    shape = (scores.shape[0], *scores.shape[2:])
    if target.numel() != int(np.prod(shape)):
        raise DataError(
            f"labels of shape {list(target.shape)} do not fit scores of shape {list(scores.shape)}"
        )
    target = target.reshape(shape).long()
    counted = target if ignored is None else target[target != ignored]
    low, high = (int(counted.min()), int(counted.max())) if counted.numel() else (0, 0)
    if low < 0 or high >= scores.shape[1]:
        worst = low if low < 0 else high
        raise DataError(
            f"label {worst} does not fit the network's {scores.shape[1]} outputs; "
            "is this the right data set?"
        )
    return target


def _targets(scores: Tensor, labels: Any) -> Tensor:
    """Labels of the scores' own shape; classes ``(N,)`` become one-hot rows."""
    target = torch.as_tensor(np.asarray(labels), device=scores.device)
    if target.numel() == scores.numel():
        return target.reshape(scores.shape).to(scores.dtype)
    classes = _classes(scores, labels, None)
    return functional.one_hot(classes, scores.shape[1]).movedim(-1, 1).to(scores.dtype)


def _normalizer(loss: Loss, default: str, batch: int, full: int, valid: int) -> float:
    """Caffe's ``LossParameter.normalization``; never below 1."""
    mode = str(loss.parameters.get("normalization", default)).upper()
    sizes = {"VALID": valid, "FULL": full, "BATCH_SIZE": batch, "NONE": 1}
    if mode not in sizes:
        raise UsageError(
            f"loss '{loss.kind}': normalization '{mode}' is not known; use {', '.join(sizes)}"
        )
    return float(max(1, sizes[mode]))


def _ignored(loss: Loss) -> int | None:
    label = loss.parameters.get("ignore_label")
    return None if label is None else int(label)


def _softmax(scores: Tensor, labels: Any, loss: Loss, axis: int) -> Tensor:
    scores = scores.movedim(axis, 1)
    ignored = _ignored(loss)
    target = _classes(scores, labels, ignored)
    valid = target.numel() if ignored is None else int((target != ignored).sum())
    size = _normalizer(loss, "VALID", len(scores), target.numel(), valid)
    skip = -100 if ignored is None else ignored  # torch's own default
    return functional.cross_entropy(scores, target, ignore_index=skip, reduction="sum") / size


def _sigmoid(scores: Tensor, labels: Any, loss: Loss, axis: int) -> Tensor:
    target = _targets(scores, labels)
    ignored = _ignored(loss)
    each = functional.binary_cross_entropy_with_logits(scores, target, reduction="none")
    valid = each.numel()
    if ignored is not None:
        counted = target != ignored
        each, valid = each[counted], int(counted.sum())
    return each.sum() / _normalizer(loss, "BATCH_SIZE", len(scores), scores.numel(), valid)


def _euclidean(scores: Tensor, labels: Any, loss: Loss, axis: int) -> Tensor:
    difference = scores - _targets(scores, labels)
    return (difference * difference).sum() / (2 * len(scores))


def _hinge(scores: Tensor, labels: Any, loss: Loss, axis: int) -> Tensor:
    scores = scores.reshape(len(scores), -1)
    sign = 1 - 2 * functional.one_hot(_classes(scores, labels, None), scores.shape[1])
    margin = torch.relu(1 + sign * scores)
    squared = str(loss.parameters.get("norm", "L1")).upper() == "L2"
    return (margin * margin if squared else margin).sum() / len(scores)


MEASURES: dict[str, tuple[Measure, frozenset[str]]] = {
    "euclidean": (_euclidean, frozenset()),
    "hinge": (_hinge, frozenset()),
    "sigmoid_cross_entropy": (_sigmoid, frozenset({"Sigmoid"})),
    "softmax_cross_entropy": (_softmax, frozenset({"Softmax", "LogSoftmax"})),
}
"""Kind -> measure, and the final activations it replaces by their input."""
