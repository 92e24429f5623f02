from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.descriptors import Format, NamedMetric
from prunus.errors import DataError, PluginError, UsageError
from prunus.evaluation import built_in, choice
from prunus.evaluation.agreement import Agreement
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.metrics import Fidelity, Top
from prunus.evaluation.registered import registered_metrics
from prunus.evaluation.session import Session
from prunus.hookspecs import hookimpl
from prunus.host import OWN, Broken, Host
from prunus.task import Measurement, Task

ONNX = Format("onnx", "ONNX models", lambda path: True)


def metric_for(descriptor, network, name, data, host=None):
    known = registered_metrics(host or Host([(built_in, "prunus")]))
    return choice.metric_for(descriptor, network, name, data, known)


class Offers:
    """Metrics for every format."""

    others = ()

    def __init__(self, **makers):
        self.makers = makers

    @hookimpl
    def prunus_register(self):
        named = [NamedMetric(name, "a test", make) for name, make in self.makers.items()]
        return [*named, *self.others]


def samples(labels=True):
    return ArrayDataset("data", np.zeros((6, 1, 12, 12)), np.zeros(6, np.int64) if labels else None)


def with_task(network, **task):
    return attrs.evolve(network, task=Task(**task))


def test_the_metric_that_is_not_asked_for(lenet):
    assert metric_for(ONNX, lenet, None, samples()) == Top(1)
    assert metric_for(ONNX, lenet, None, samples(labels=False)) == Agreement(Top(1, "ip2"))
    own = with_task(lenet, metric=Top(5, name="accuracy@5"))
    assert metric_for(ONNX, own, None, samples()).name == "accuracy@5"
    assert metric_for(ONNX, own, None, samples(labels=False)) == Agreement(Top(1, "ip2"))
    blind = with_task(lenet, metric=Blind())
    assert metric_for(ONNX, blind, None, samples(labels=False)) == Fidelity()


class Blind(Offers):
    """A metric that cannot make labels."""

    name, needs_labels = "blind", True


class Boxes:
    """A detector's metric of a plugin: mean score of the true boxes of class 0."""

    name, higher_is_better, needs_labels = "boxes", True, True

    def __init__(self, threshold):
        self.threshold = threshold

    def observe(self, outputs, reference, labels):
        return [float(scores[0]) for scores, boxes in zip(outputs["ip2"], labels, strict=True) if len(boxes)]  # fmt: skip

    def truth(self, outputs):
        return [np.zeros((int(scores[0] >= self.threshold), 5)) for scores in outputs["ip2"]]

    def result(self, observations):
        found = [score for part in observations for score in part]
        if not found:
            raise DataError("no true box")
        return Measurement(float(np.mean(found)))


def unlabelled(network):
    draw = np.random.default_rng(0)
    return ArrayDataset("data", draw.standard_normal((6, *network.model.graph.inputs[0].shape[1:])))


def evaluator_on(network, metric=None):
    known = registered_metrics(Host([(built_in, OWN)]))
    return choice.evaluator_on(
        unlabelled(network), ONNX, network, network, metric, registered=known
    )


def test_a_metric_of_a_plugin_measures_agreement_where_labels_are_missing(lenet):
    own = with_task(lenet, metric=Boxes(-np.inf))
    found = evaluator_on(own)
    assert found.metric.name == "agreement"
    assert found.beside == ()
    scores = Session(lenet.model).run({"data": unlabelled(lenet).samples.astype(np.float32)})["ip2"]
    assert found.baseline.value == pytest.approx(float(scores[:, 0].mean()), rel=1e-5)


def test_an_original_that_detects_nothing_is_compared_by_its_raw_outputs(lenet):
    own = with_task(lenet, metric=Boxes(np.inf))
    found = evaluator_on(own)
    assert found.metric == Fidelity()
    assert found.warning == choice.SILENT
    with pytest.raises(DataError) as caught:
        evaluator_on(own, "agreement").measure(own.model)
    assert str(caught.value) == (
        "metric agreement: the original network detects nothing in these samples; give others, or "
        "use --metric fidelity"
    )


def test_measures_beside_the_metric(lenet):
    assert [one.name for one in evaluator_on(lenet).beside] == ["divergence"]
    assert [one.name for one in evaluator_on(lenet, "fidelity").beside] == [
        "agreement",
        "divergence",
    ]


def test_the_metric_that_is_asked_for(lenet):
    own = with_task(lenet, metric=Top(5, name="mine"))
    assert metric_for(ONNX, own, "mine", samples()).k == 5
    assert metric_for(ONNX, own, "top-2", samples()) == Top(2)
    with pytest.raises(UsageError) as caught:
        metric_for(ONNX, own, "top", samples())
    assert str(caught.value) == (
        "unknown metric 'top'; there are: top-K, agreement, divergence, accuracy, fidelity, loss, "
        "mine; did you mean 'top-K'?"
    )
    with pytest.raises(DataError) as caught:
        metric_for(ONNX, own, "top-1", samples(labels=False))
    assert str(caught.value) == (
        "metric 'top-1' needs labels and the data has none; use --metric fidelity"
    )


def test_an_unknown_metric_is_told_without_samples_too(lenet):
    own = with_task(lenet, metric=Top(5, name="mine"))
    host = Host([(built_in, OWN)], (Broken("odd", "odd 1.0", "ImportError: no clay"),))
    known = registered_metrics(host)
    for data in (None, samples()):
        with pytest.raises(UsageError) as caught:
            choice.evaluator_on(data, ONNX, own, own, "best-2", registered=known)
        assert str(caught.value) == (
            "unknown metric 'best-2'; there are: top-K, agreement, divergence, accuracy, fidelity, "
            "loss, mine; plugin 'odd' of odd 1.0 failed to load: ImportError: no clay"
        )
    for name in ("top-2", "mine", "fidelity", None):
        assert choice.evaluator_on(None, ONNX, own, own, name, registered=known) is None


def test_a_registered_metric_is_found_for_every_format(lenet):
    host = Host([(Offers(mine=lambda network: Top(3, name="mine")), "mine 1.0")])
    for name in ("onnx", "clay"):
        clay = Format(name, "baked", lambda path: False)
        assert metric_for(clay, lenet, "mine", samples(), host) == Top(3, name="mine")


def test_a_format_s_own_metric_is_found_for_it_only(lenet):
    clay = Format("clay", "baked", lambda path: False, metrics={"heat": lambda network: Top(2)})
    assert metric_for(clay, lenet, "heat", samples()) == Top(2)
    with pytest.raises(UsageError, match="unknown metric 'heat'"):
        metric_for(ONNX, lenet, "heat", samples())


def test_the_distribution_of_every_chosen_metric(lenet):
    clay = Format("clay", "", lambda path: False, metrics={"heat": lambda network: Top(2)})
    plugin = Offers(mine=lambda network: Top(3, name="mine"))
    plugin.others = (clay,)
    own = with_task(attrs.evolve(lenet, format="clay"), metric=Top(5, name="own"))
    host = Host([(plugin, "acme 1.0"), (built_in, OWN)])
    for name, owner in (("mine", "acme 1.0"), ("heat", "acme 1.0"), ("own", "acme 1.0"), (None, "acme 1.0"), ("top-2", None), ("fidelity", None)):  # fmt: skip
        found = choice.evaluator_on(samples(), clay, own, own, name, registered=registered_metrics(host))  # fmt: skip
        assert found.owner == owner


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda network: 3, "metric 'odd' of odd 1.0: its maker gave a 'int' without 'name'"),
        (
            lambda network: network.nothing,
            "metric 'odd' of odd 1.0 failed in make: AttributeError: 'Network' object has no "
            "attribute 'nothing'; see --verbose, and report it to its authors",
        ),
    ],
)
def test_a_plugin_that_makes_no_metric_is_named(lenet, make, message):
    with pytest.raises(PluginError) as caught:
        metric_for(ONNX, lenet, "odd", samples(), Host([(Offers(odd=make), "odd 1.0")]))
    assert str(caught.value) == message
