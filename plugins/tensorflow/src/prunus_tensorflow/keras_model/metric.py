"""How a compiled Keras model is measured that does not tell classes apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Array, DataError, Measurement, Metric, mean_of

BINARY = frozenset("binary_crossentropy binary_focal_crossentropy hinge squared_hinge".split())
"""Losses, as Keras names them, that take a yes or no for every output."""
_REGRESSION = frozenset(
    "mean_squared_error mean_absolute_error huber log_cosh mean_squared_logarithmic_error "
    "mean_absolute_percentage_error".split()
)


@attrs.frozen
class BinaryAccuracy:
    """Share of outputs on the right side of a threshold.

    Attributes:
        output: Graph output to read.
        threshold: 0.5 for probabilities, 0 for scores.
    """

    output: str
    threshold: float
    name: str = "accuracy"
    higher_is_better: bool = True
    needs_labels: bool = True

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """``(N,)`` share of right answers of each sample."""
        found, wanted = _rows(outputs[self.output], labels)
        return ((found > self.threshold) == (wanted > 0)).mean(1)

    def truth(self, outputs: Mapping[str, Array]) -> Any:
        """``(N, values)`` bool: the side of the threshold each output is on."""
        found = outputs[self.output]
        return found.reshape(len(found), -1) > self.threshold

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Mean over samples."""
        return mean_of(observations)


@attrs.frozen
class AbsoluteError:
    """Mean absolute difference from the wanted numbers.

    Attributes:
        output: Graph output to read.
    """

    output: str
    name: str = "absolute error"
    higher_is_better: bool = False
    needs_labels: bool = True

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """``(N,)`` error of each sample."""
        found, wanted = _rows(outputs[self.output], labels)
        return np.abs(found - wanted).mean(1)

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Mean over samples."""
        return mean_of(observations)


def metric_of(loss: str, output: str, shape: Sequence[Any], probabilities: bool) -> Metric | None:
    """The metric of a model with one output; ``None`` where class numbers serve.

    Args:
        loss: Keras' name of the compiled loss.
        output: Graph output.
        shape: Its native shape.
        probabilities: Whether it is a sigmoid's.
    """
    if loss in BINARY:
        return BinaryAccuracy(output, 0.5 if probabilities else 0.0)
    # one number an output; of several, an error loss may also teach classes by one-hot rows
    if loss in _REGRESSION and shape[-1] == 1:
        return AbsoluteError(output)
    return None


def _rows(found: Array, labels: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outputs and labels as ``(N, values)``.

    Raises:
        DataError: they do not fit each other.
    """
    outputs = np.asarray(found, np.float64).reshape(len(found), -1)
    wanted = np.asarray(labels, np.float64).reshape(len(found), -1)
    if wanted.shape != outputs.shape:
        raise DataError(
            f"labels of {wanted.shape[1]} numbers a sample do not fit the model's "
            f"{outputs.shape[1]}; use --metric fidelity"
        )
    return outputs, wanted
