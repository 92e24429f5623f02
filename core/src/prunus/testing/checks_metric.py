"""Conformance of metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir

from prunus.analysis.journal import plain, restored
from prunus.descriptors import NamedMetric
from prunus.errors import DataError
from prunus.evaluation.agreement import Agreement
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.registered import registered_metrics
from prunus.evaluation.session import Session
from prunus.host import Host, start
from prunus.network import Network
from prunus.task import (
    AnswerDistance,
    Array,
    Batch,
    Dataset,
    Measurement,
    Metric,
    PlaceFinder,
    TruthMaker,
)
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import plugin_checks
from prunus.testing.nets import NETS, as_network

FORMS = ("lenet", "mobilenet_v2")
"""Classifiers that are measured unless the author gives networks of the metric's own kind."""

COUNT = 40
"""Samples of a classifier."""

Samples = tuple[tuple[Network, Dataset], ...]


@attrs.frozen
class MeasuredBy:
    """The metric under test, and the networks it measures.

    Attributes:
        name: Its name.
        find: Gives its maker.
        samples: Networks with samples; small classifiers without any.
    """

    name: str
    find: Callable[[], Callable[[Network], Metric]]
    samples: Samples | None

    def each(self) -> Iterator[tuple[Network, Dataset, Metric]]:
        """Every network with its samples and its metric."""
        make = self.find()
        for network, data in self.samples or tuple(map(_classifier, FORMS)):
            yield network, data, make(network)


def metric_checks(
    name: str,
    host: Host | None = None,
    expected_failures: ExpectedFailures | None = None,
    samples: Samples | None = None,
) -> list[Check]:
    """Everything a metric promises (`prunus.plugin.Metric`).

    Args:
        name: As given to ``--metric``.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
        samples: Networks and their samples, for a metric whose labels are no class numbers; small
            classifiers without it. The labels should be the network's own answers.
    """
    subject = MeasuredBy(name, lambda: registered_metrics(host or start()).makers[name], samples)
    checks = {**MEASURING, "prefers-the-original": check_direction}
    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(NamedMetric, name, (), host),
        *((short, partial(check, subject)) for short, check in checks.items()),
    ]
    return named_checks(name, bodies, expected_failures)


def check_description(subject: MeasuredBy) -> None:
    """Its name is the registered one; its direction and its need of labels are bools."""
    for _, _, metric in subject.each():
        assert metric.name == subject.name, f"{subject.name}: the metric calls itself {metric.name}"
        for attribute in ("higher_is_better", "needs_labels"):
            value = getattr(metric, attribute)
            assert isinstance(value, bool), f"{subject.name}: {attribute} is {value!r}, not a bool"


def check_number(subject: MeasuredBy) -> None:
    """Value and standard error are finite floats, the error not negative."""
    for network, data, metric in subject.each():
        found = Evaluator(network, data, metric).measure(network.model)
        for part in ("value", "error"):
            number = getattr(found, part, None)
            said = f"{subject.name}: the {part} is {number!r}"
            assert isinstance(number, float), f"{said}, not a float"
            assert np.isfinite(number), f"{said}, not finite"
        assert found.error >= 0, f"{subject.name}: the error is {found.error}"


def check_repeats(subject: MeasuredBy) -> None:
    """The same network on the same samples has the same value."""
    for network, data, metric in subject.each():
        worse = _noisy(network)
        first, second = (_numbers(Evaluator(network, data, metric).measure(worse)) for _ in "12")
        assert first == second, f"{subject.name}: {first}, and {second} the second time"


def check_batches(subject: MeasuredBy) -> None:
    """The size of the batches does not matter, a last smaller batch included."""
    for network, data, metric in subject.each():
        worse = _noisy(network)
        whole, *others = (
            Evaluator(network, data, metric, batch_size=size).measure(worse).value
            for size in (len(data), 7, 1)
        )
        for other in others:
            near = abs(other - whole) <= 1e-5 * max(abs(whole), 1.0)
            assert near, f"{subject.name}: {whole} in one batch, {other} in several"


def check_stored(subject: MeasuredBy) -> None:
    """What it observes survives as JSON: an analysis that was killed goes on from there."""
    for network, data, metric in subject.each():
        seen = [metric.observe(*given) for given in _observed(network, data)]
        try:
            kept = [restored(json.loads(json.dumps(plain(one)))) for one in seen]
        except (TypeError, ValueError) as error:
            raise AssertionError(
                f"{subject.name}: observe gave what cannot be stored ({error}); give arrays, "
                "numbers, texts, lists and dicts"
            ) from error
        first, second = _numbers(metric.result(seen)), _numbers(metric.result(kept))
        assert first == second, f"{subject.name}: {first}, and {second} after it was stored"


def check_labels(subject: MeasuredBy) -> None:
    """Where ``needs_labels`` is False, samples without labels are enough."""
    for network, data, metric in subject.each():
        if metric.needs_labels:
            continue
        outputs = [(ours, original) for ours, original, _ in _observed(network, data)]
        try:
            value = metric.result([metric.observe(*both, None) for both in outputs]).value
        except Exception as error:
            raise AssertionError(
                f"{subject.name}: needs_labels is False, and without labels it gives "
                f"{type(error).__name__}: {error}"
            ) from error
        assert np.isfinite(value), f"{subject.name}: {value} without labels"


def check_truth(subject: MeasuredBy) -> None:
    """Labels it makes of the original's outputs (`TruthMaker`): the original agrees with them."""
    for network, data, metric in subject.each():
        if not isinstance(metric, TruthMaker):
            continue
        agreement = Agreement(metric)
        values = []
        for position in (1, 0):  # the original, and weights of noise
            seen = []
            for both in _observed(network, data):
                given = (both[position], both[1])
                try:
                    seen.append(agreement.observe(*given, None))
                except Exception as error:
                    raise AssertionError(
                        f"{subject.name}: observe cannot read what truth gives: "
                        f"{type(error).__name__}: {error}"
                    ) from error
            try:
                values.append(agreement.result(seen).value)
            except DataError:
                return  # the original answers nothing
        better = values[1] - values[0] if metric.higher_is_better else values[0] - values[1]
        assert better <= 0, (
            f"{subject.name}: with truth(original) as labels, weights of noise ({values[1]:.3g}) "
            f"are better than the original itself ({values[0]:.3g})"
        )


def check_distance(subject: MeasuredBy) -> None:
    """Distances it tells (`AnswerDistance`): 0 from the original to itself, none is negative."""
    for network, data, metric in subject.each():
        if not isinstance(metric, AnswerDistance):
            continue
        for outputs, reference, _ in _observed(network, data):
            count = len(next(iter(reference.values())))
            own, other = (np.asarray(metric.distance(o, reference)) for o in (reference, outputs))
            shapes = (own.shape, other.shape)
            assert shapes == ((count,),) * 2, f"{subject.name}: {count} distances wanted, {shapes}"
            said = f"{subject.name}: the original is {np.abs(own).max():.3g} away from itself"
            assert np.abs(own).max() <= 1e-6, said
            assert (other >= 0).all(), f"{subject.name}: a distance is {other.min():.3g}"


def check_places(subject: MeasuredBy) -> None:
    """Places it tells (`PlaceFinder`) are numbers from 0 to 1 on a grid a sample."""
    for network, data, metric in subject.each():
        if not isinstance(metric, PlaceFinder):
            continue
        for _, reference, _ in _observed(network, data):
            count = len(next(iter(reference.values())))
            found = np.asarray(metric.places(reference))
            said = f"{subject.name}: places of shape {found.shape} for {count} samples"
            assert found.shape[:1] == (count,), said
            assert found.ndim == 3, said
            inside = ((found >= 0) & (found <= 1)).all()
            assert inside, f"{subject.name}: places from {found.min():.3g} to {found.max():.3g}"


def check_direction(subject: MeasuredBy) -> None:
    """The original is no worse than itself with weights of noise; labels are its own answers."""
    for network, data, metric in subject.each():
        evaluator = Evaluator(network, data, metric)
        loss = evaluator.loss_of(evaluator.measure(_noisy(network)).value)
        assert loss >= 0, (
            f"{subject.name}: weights of noise are better than the original by {-loss:.3g}; is "
            f"higher_is_better = {metric.higher_is_better} right? A metric that reads no labels "
            "may state it as an ExpectedFailure"
        )


def check_pure(subject: MeasuredBy) -> None:
    """Outputs and labels are the same afterwards."""
    for network, data, metric in subject.each():
        for outputs, reference, labels in _observed(network, data):
            arrays = [*outputs.values(), *reference.values()]
            if isinstance(labels, np.ndarray):
                arrays.append(labels)
            before = [array.copy() for array in arrays]
            metric.result([metric.observe(outputs, reference, labels)])
            same = all(map(np.array_equal, before, arrays))
            assert same, f"{subject.name} modified outputs or labels"


MEASURING: Mapping[str, Callable[[MeasuredBy], None]] = {
    "describes-itself": check_description,
    "gives-a-finite-number": check_number,
    "repeats-itself": check_repeats,
    "is-the-same-in-other-batches": check_batches,
    "can-be-stored": check_stored,
    "works-without-labels-it-does-not-need": check_labels,
    "leaves-its-input-alone": check_pure,
    "reads-the-labels-it-makes": check_truth,
    "tells-distances": check_distance,
    "tells-places-from-0-to-1": check_places,
}
"""Promises that hold whatever the labels are."""


def _observed(
    network: Network, data: Dataset
) -> Iterator[tuple[dict[str, Array], dict[str, Array], Any]]:
    """Arguments of ``observe``: a noisy network beside the original, batch by batch."""
    original, worse = Session(network.model), Session(_noisy(network))
    for first in range(0, len(data), 16):
        batch: Batch = data.read(np.arange(first, min(first + 16, len(data))), None)
        outputs, reference = (
            {name: array.copy() for name, array in session.run(batch.inputs).items()}
            for session in (worse, original)
        )
        yield outputs, reference, batch.labels


def _numbers(found: Measurement) -> tuple[float, float]:
    return found.value, found.error


def _noisy(network: Network) -> ir.Model:
    """The same structure with weights of noise, each as large as before; sizes are no weights."""
    draw = np.random.default_rng(0)
    weights = {
        name: draw.permutation(array.reshape(-1)).reshape(array.shape)
        for name, array in network.weights().items()
        if name in network.bindings
    }
    return network.with_weights(weights).model


@cache
def _classifier(form: str) -> tuple[Network, Dataset]:
    network = as_network(NETS[form](0))
    ((name, inputs),) = random_inputs(network.model, COUNT, 0).items()
    scores = list(Session(network.model).run({name: inputs}).values())[-1]
    return network, ArrayDataset(name, inputs, scores.reshape(COUNT, -1).argmax(1))
