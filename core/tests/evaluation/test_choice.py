from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.descriptors import Format, NamedMetric
from prunus.errors import DataError, PluginError, UsageError
from prunus.evaluation import built_in, choice
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.metrics import Fidelity, Top
from prunus.evaluation.registered import registered_metrics
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.task import Task

ONNX = Format("onnx", "ONNX models", lambda path: True)


def metric_for(descriptor, network, name, data, host=None):
    known = registered_metrics(host or Host([(built_in, "prunus")]))
    return choice.metric_for(descriptor, network, name, data, known)


class Offers:
    """Metrics for every format."""

    def __init__(self, **makers):
        self.makers = makers

    @hookimpl
    def prunus_register(self):
        return [NamedMetric(name, "a test", make) for name, make in self.makers.items()]


def samples(labels=True):
    return ArrayDataset("data", np.zeros((6, 1, 12, 12)), np.zeros(6, np.int64) if labels else None)


def with_task(network, **task):
    return attrs.evolve(network, task=Task(**task))


def test_the_metric_that_is_not_asked_for(lenet):
    assert metric_for(ONNX, lenet, None, samples()) == Top(1)
    assert metric_for(ONNX, lenet, None, samples(labels=False)) == Fidelity()
    own = with_task(lenet, metric=Top(5, name="accuracy@5"))
    assert metric_for(ONNX, own, None, samples()).name == "accuracy@5"
    assert metric_for(ONNX, own, None, samples(labels=False)) == Fidelity()


def test_the_metric_that_is_asked_for(lenet):
    own = with_task(lenet, metric=Top(5, name="mine"))
    assert metric_for(ONNX, own, "mine", samples()).k == 5
    assert metric_for(ONNX, own, "top-2", samples()) == Top(2)
    with pytest.raises(UsageError) as caught:
        metric_for(ONNX, own, "top", samples())
    assert str(caught.value) == (
        "unknown metric 'top'; there are: top-K, accuracy, fidelity, loss, mine"
    )
    with pytest.raises(DataError) as caught:
        metric_for(ONNX, own, "top-1", samples(labels=False))
    assert str(caught.value) == (
        "metric 'top-1' needs labels and the data has none; use --metric fidelity"
    )


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda network: 3, "metric 'odd' of odd 1.0: its maker gave a 'int' without 'name'"),
        (
            lambda network: network.nothing,
            "metric 'odd' of odd 1.0 cannot be made: AttributeError: 'Network' object has no "
            "attribute 'nothing'",
        ),
    ],
)
def test_a_plugin_that_makes_no_metric_is_named(lenet, make, message):
    with pytest.raises(PluginError) as caught:
        metric_for(ONNX, lenet, "odd", samples(), Host([(Offers(odd=make), "odd 1.0")]))
    assert str(caught.value) == message
