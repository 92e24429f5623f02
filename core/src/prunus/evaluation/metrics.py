"""Metrics that hold for every framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from prunus.errors import DataError, UsageError
from prunus.task import Array, Measurement, Metric

if TYPE_CHECKING:
    import onnx_ir as ir


def mean_of(observations: Sequence[Any]) -> Measurement:
    """Mean of per-sample values ``(N,)`` and its standard error."""
    values = np.concatenate([np.empty(0), *observations])
    if not len(values):
        raise DataError("no samples: the data set is empty")
    return Measurement(float(values.mean()), float(values.std() / np.sqrt(len(values))))


@attrs.frozen
class Top:
    """Share of samples whose label is among the k highest outputs.

    Attributes:
        k: 1 for top-1.
        output: Graph output to read; ``None`` for the last one.
        name: As the user calls it.
        higher_is_better, needs_labels: As in `Metric`.
    """

    k: int = 1
    output: str | None = None
    name: str = attrs.field(default=attrs.Factory(lambda self: f"top-{self.k}", takes_self=True))
    higher_is_better: bool = True
    needs_labels: bool = True

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """``(N,)`` one for a hit."""
        scores = _flat(_pick(outputs, self.output))
        if self.k > scores.shape[1]:
            raise UsageError(
                f"metric {self.name}: the network tells {scores.shape[1]} classes apart; choose a "
                "smaller K"
            )
        target = _classes(labels, scores.shape[1])
        own = scores[np.arange(len(scores)), target][:, None]
        # among equal scores the first class wins, as in argmax: a dead network knows no more
        # than chance; what cannot be compared (NaN) is better than nothing
        earlier = np.arange(scores.shape[1]) < target[:, None]
        better = ~(scores <= own) | (earlier & (scores == own))
        return (better.sum(1) < self.k).astype(np.float64)

    def truth(self, outputs: Mapping[str, Array]) -> Any:
        """``(N,)`` int64: the class with the highest output, the first of equal ones."""
        return _flat(_pick(outputs, self.output)).argmax(1).astype(np.int64)

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Mean over samples."""
        return mean_of(observations)


@attrs.frozen
class CrossEntropy:
    """Mean softmax cross-entropy; ``softmax`` False for outputs that are probabilities."""

    output: str | None = None
    softmax: bool = True
    name: str = "loss"
    higher_is_better: bool = False
    needs_labels: bool = True

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """``(N,)`` negative log likelihood."""
        scores = _flat(_pick(outputs, self.output)).astype(np.float64)
        target = _classes(labels, scores.shape[1])
        if not self.softmax:
            scores = np.log(np.maximum(scores, 1e-20))
        scores = scores - scores.max(1, keepdims=True)
        own = scores[np.arange(len(scores)), target]
        return np.log(np.exp(scores).sum(1)) - own

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Mean over samples."""
        return mean_of(observations)


@attrs.frozen
class Fidelity:
    """One minus the relative distance of the raw outputs to the original network's.

    Needs no labels: mean over samples of 1 - |y - y0| / |y0|, all outputs taken together.
    Where y0 is zero throughout, 1 for an equal output and 0 for any other.

    Attributes:
        name, higher_is_better, needs_labels: As in `Metric`.
    """

    name: str = "fidelity"
    higher_is_better: bool = True
    needs_labels: bool = False

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """``(N,)`` fidelity of each sample."""
        distance = norm = np.zeros(1)
        for name, first in reference.items():
            axes = tuple(range(1, first.ndim))
            distance = distance + np.square(outputs[name] - first, dtype=np.float64).sum(axes)
            norm = norm + np.square(first, dtype=np.float64).sum(axes)
        silent = np.where(distance > 0, norm + distance, 1.0)
        return 1 - np.sqrt(distance / np.where(norm > 0, norm, silent))

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Mean over samples."""
        return mean_of(observations)


def top_named(name: str) -> Metric | None:
    """``top-1``, ``top-5`` and their like; ``None`` for other names."""
    if name.startswith("top-") and name[4:].isdigit() and int(name[4:]) > 0:
        return Top(int(name[4:]))
    return None


def gives_probabilities(output: ir.Value) -> bool:
    """Whether a Softmax made this output; then a loss takes none."""
    node = output.producer()
    while node is not None and node.op_type in ("Flatten", "Identity", "Reshape", "Squeeze"):
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    return node is not None and node.op_type == "Softmax"


def _pick(outputs: Mapping[str, Array], name: str | None) -> Array:
    if name is None:
        return list(outputs.values())[-1]
    if name not in outputs:
        raise UsageError(
            f"the network's own metric reads '{name}', which only an opaque layer makes; "
            "give --metric fidelity"
        )
    return outputs[name]


def _flat(scores: Array) -> Array:
    return scores.reshape(len(scores), -1)


def _classes(labels: Any, count: int) -> Any:
    if labels is None:
        raise DataError("the metric needs labels and the data set has none; use --metric fidelity")
    target = np.asarray(labels).reshape(-1).astype(np.int64)
    if count == 1:
        raise DataError(
            "the network has one output, which tells no classes apart: give --metric fidelity, or "
            "a function of your own"
        )
    if len(target) and (target.min() < 0 or target.max() >= count):
        raise DataError(
            f"label {int(target.max() if target.max() >= count else target.min())} does not fit "
            f"the network's {count} outputs; is this the right data set?"
        )
    return target
