"""Measure a network on samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir

from prunus.errors import DataError
from prunus.evaluation.session import Session
from prunus.evaluation.user_metric import UserMetric
from prunus.network import Network
from prunus.task import Array, Batch, Dataset, Measurement, Metric


@attrs.frozen(eq=False, slots=False)
class Evaluator:
    """Samples, metric and the original network's answers.

    Attributes:
        reference: The original network, which fidelity compares with.
        data: Held-out samples.
        metric: What is measured.
        samples: How many samples to use; ``None`` for all.
        batch_size: Samples of one run.
        warning: A sentence for the user about the samples, if there is something to say.
        origin: The file that holds or names the samples, for errors.
    """

    reference: Network
    data: Dataset
    metric: Metric
    samples: int | None = None
    batch_size: int = 64
    warning: str | None = None
    origin: str | None = None

    def __attrs_post_init__(self) -> None:
        if not len(self.data):
            raise DataError("no samples: the data set is empty")

    @property
    def count(self) -> int:
        """Samples used."""
        return len(self.data) if self.samples is None else min(self.samples, len(self.data))

    @cached_property
    def positions(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Which samples: all, or an even spread over the data set."""
        return np.linspace(0, len(self.data) - 1, self.count).round().astype(np.int64)

    def batches(self) -> Iterator[Batch]:
        """The samples, in order."""
        for start in range(0, self.count, self.batch_size):
            yield self.data.read(self.positions[start : start + self.batch_size], None)

    def calibration(self, count: int = 256) -> dict[str, Array]:
        """Some inputs: graph input name -> ``(N, ...)``."""
        chosen = self.positions[np.linspace(0, self.count - 1, min(count, self.count)).astype(int)]
        return dict(self.data.read(chosen, None).inputs)

    @cached_property
    def references(self) -> list[dict[str, Array]]:
        """Outputs of the original network, batch by batch."""
        session = Session(self.reference.model)
        # copies: an output lies in the engine's memory and would keep all of it
        return [
            {name: array.copy() for name, array in session.run(batch.inputs).items()}
            for batch in self.batches()
        ]

    @cached_property
    def baseline(self) -> Measurement:
        """The original network's own value."""
        return self.measure(self.reference.model)

    def measure(self, model: ir.Model) -> Measurement:
        """Measure a graph with the same inputs and outputs.

        Raises:
            DataError: labels do not fit the outputs.
        """
        if isinstance(self.metric, UserMetric):
            return self.metric.measure(model)
        references = self.references  # before there is a second session
        session = Session(model)
        seen = [
            self.observe(session.run(batch.inputs), reference, batch)
            for batch, reference in zip(self.batches(), references, strict=True)
        ]
        return self.metric.result(seen)

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], batch: Batch
    ) -> Any:
        """Contribution of one batch to the metric.

        Raises:
            DataError: labels do not fit the outputs; names the file of the samples.
        """
        try:
            return self.metric.observe(outputs, reference, batch.labels)
        except DataError as error:
            raise DataError(f"{self.origin}: {error}" if self.origin else str(error)) from error

    def loss_of(self, value: float) -> float:
        """How much worse than the baseline a value is; negative for a gain."""
        difference = self.baseline.value - value
        return difference if self.metric.higher_is_better else -difference
