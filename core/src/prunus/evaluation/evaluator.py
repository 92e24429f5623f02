"""Measure a network on samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from numbers import Real
from typing import Any, TypeAlias

import attrs
import numpy as np
import onnx_ir as ir

from prunus.errors import DataError, UsageError
from prunus.evaluation.agreement import Agreement
from prunus.evaluation.collapse import CollapseWatch
from prunus.evaluation.session import Session
from prunus.evaluation.user_metric import UserMetric
from prunus.graph.batches import MOST
from prunus.network import Network
from prunus.progress import told
from prunus.task import Array, Batch, Dataset, Measurement, Metric
from prunus.third_party import contained, shown, wrong_answer

Run: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""A network that answers batches."""


@attrs.frozen(eq=False)
class Look:
    """Everything that one pass over the samples tells about a network.

    Attributes:
        value: The metric.
        beside: The metrics beside it, by name.
        collapse: How the network has collapsed, in a few words; ``None`` where it has not.
    """

    value: Measurement
    beside: Mapping[str, Measurement]
    collapse: str | None


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
        owner: Distribution that the metric comes from; ``None`` for the core's own.
        beside: Metrics that need no labels, shown beside the first where networks are compared.
    """

    reference: Network
    data: Dataset
    metric: Metric
    samples: int | None = None
    batch_size: int = MOST
    warning: str | None = None
    origin: str | None = None
    owner: str | None = None
    beside: tuple[Metric, ...] = ()

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
        starts = range(0, self.count, self.batch_size)
        for start in told("evaluation", starts):
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
        if isinstance(self.metric, UserMetric):
            return self.measure(self.reference.model)
        pairs = zip(self.batches(), self.references, strict=True)
        return self.result([self.observe(own, own, batch) for batch, own in pairs])

    def measure(self, model: ir.Model) -> Measurement:
        """Measure a graph with the same inputs and outputs.

        Raises:
            DataError: labels do not fit the outputs.
            PluginError: the metric failed, or gave no `Measurement`.
        """
        if isinstance(self.metric, UserMetric):
            return self.metric.measure(model)
        _ = self.references  # before there is a second session
        return self.measure_in(Session(model).run)

    def measure_in(self, run: Run) -> Measurement:
        """Measure a graph with the same inputs and outputs in any engine.

        Args:
            run: Answers a batch: graph output name -> ``(N, ...)``.

        Raises:
            As `measure`; a metric function of the user's measures graphs alone (`UsageError`).
        """
        if isinstance(self.metric, UserMetric):
            raise UsageError(
                f"metric '{self.metric.name}' runs the network itself, in ONNX Runtime; give "
                "another --metric"
            )
        seen = [
            self.observe(run(batch.inputs), reference, batch)
            for batch, reference in zip(self.batches(), self.references, strict=True)
        ]
        return self.result(seen)

    def look(self, model: ir.Model) -> Look:
        """Measure a graph as `measure` does, beside it by the other metrics, and watch its answers.

        Raises:
            As `measure`.
        """
        known = (self.metric, *self.beside)
        watch = CollapseWatch(next((one for one in known if isinstance(one, Agreement)), None))
        whole = isinstance(self.metric, UserMetric)
        references = self.references
        session = Session(model)
        seen: list[Any] = []
        others: list[list[Any]] = [[] for _ in self.beside]
        for batch, reference in zip(self.batches(), references, strict=True):
            outputs = session.run(batch.inputs)
            if not whole:
                seen.append(self.observe(outputs, reference, batch))
            with self.blames("truth"):
                watch.see(outputs, reference)
                for metric, part in zip(self.beside, others, strict=True):
                    part.append(metric.observe(outputs, reference, None))
        value = self.measure(model) if whole else self.result(seen)
        beside = {}
        for metric, part in zip(self.beside, others, strict=True):
            with suppress(DataError):  # the original detects nothing in these samples
                beside[metric.name] = metric.result(part)
        return Look(value, beside, watch.sign())

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], batch: Batch
    ) -> Any:
        """Contribution of one batch to the metric.

        Raises:
            DataError: labels do not fit the outputs; names the file of the samples.
            PluginError: the metric failed.
        """
        return self.observer(reference, batch)(outputs)

    def observer(
        self, reference: Mapping[str, Array], batch: Batch
    ) -> Callable[[Mapping[str, Array]], Any]:
        """`observe` for many networks on the same batch: outputs -> contribution.

        Answers that the reference gives in place of labels are read once.

        Raises:
            As `observe`, here and when called.
        """
        given = self.metric
        metric, labels = given, batch.labels
        if isinstance(given, Agreement):
            with self._observing():
                metric, labels = given.metric, given.truth(reference)

        def observe(outputs: Mapping[str, Array]) -> Any:
            with self._observing():
                return metric.observe(outputs, reference, labels)

        return observe

    @contextmanager
    def _observing(self) -> Iterator[None]:
        """A block in which the metric looks at a batch."""
        try:
            with self.blames("observe"):
                yield
        except DataError as error:
            raise DataError(f"{self.origin}: {error}" if self.origin else str(error)) from error

    def result(self, observations: Sequence[Any]) -> Measurement:
        """The value of all batches.

        Raises:
            PluginError: the metric failed, or gave no `Measurement`.
        """
        with self.blames("result"):
            found = self.metric.result(observations)
        numbers = (getattr(found, "value", None), getattr(found, "error", None))
        if not isinstance(found, Measurement) or not all(isinstance(n, Real) for n in numbers):
            expected = "a Measurement of two floats: value and standard error"
            raise wrong_answer(self._metric, "result", shown(found), expected)
        return Measurement(float(found.value), float(found.error))

    def blames(self, part: str) -> AbstractContextManager[None]:
        """A block in which the metric's own code runs: its defects are told as the plugin's."""
        return nullcontext() if self.owner is None else contained(self._metric, part)

    @property
    def _metric(self) -> str:
        return f"metric '{self.metric.name}'" + (f" of {self.owner}" if self.owner else "")

    def loss_of(self, value: float) -> float:
        """How much worse than the baseline a value is; negative for a gain."""
        difference = self.baseline.value - value
        return difference if self.metric.higher_is_better else -difference
