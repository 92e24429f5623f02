from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import UsageError
from prunus.evaluation.agreement import (
    Agreement,
    Divergence,
    agreement_asked,
    agreement_of,
    class_output,
    divergence_asked,
    divergence_of,
)
from prunus.evaluation.metrics import CrossEntropy, Fidelity, Top
from prunus.task import Task

ORIGINAL = {"y": np.array([[2.0, 1, 0], [0, 3, 1], [0, 0, 1]])}
CHANGED = {"y": np.array([[2.5, 1, 0], [4, 3, 1], [0, 0, 1]])}


def test_agreement_takes_the_original_s_answers_for_labels():
    metric = Agreement(Top(1))
    wrong = np.array([2, 2, 2])  # labels are not read
    assert metric.observe(CHANGED, ORIGINAL, wrong).tolist() == [1, 0, 1]
    assert metric.result([np.array([1.0, 0, 1])]).value == pytest.approx(2 / 3)
    assert metric.truth(ORIGINAL).tolist() == [0, 1, 2]
    assert (metric.higher_is_better, metric.needs_labels) == (True, False)


def test_the_first_of_equal_classes_is_the_top_one_in_truth_and_in_hits():
    level = {"y": np.zeros((1, 3))}
    metric = Agreement(Top(1))
    assert metric.truth(level).tolist() == [0]
    assert metric.observe(level, level, None).tolist() == [1]


def test_divergence_by_hand():
    half, most = {"y": np.array([[0.5, 0.5]])}, {"y": np.array([[0.9, 0.1]])}
    expected = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    given = Divergence("y", softmax=False).observe(most, half, None)
    assert given == pytest.approx([expected])
    logits = [{"y": np.log(one["y"]) + 7} for one in (most, half)]
    assert Divergence("y").observe(*logits, None) == pytest.approx([expected])
    assert Divergence("y").observe(half, half, None) == pytest.approx([0])
    assert Divergence("y").higher_is_better is False


def with_task(network, **task):
    return attrs.evolve(network, task=Task(**task))


def test_a_network_of_one_output_of_scores_is_a_classifier(lenet):
    assert class_output(lenet) == "ip2"
    assert agreement_of(lenet) == Agreement(Top(1, "ip2"))
    assert divergence_of(lenet) == Divergence("ip2")


def test_the_own_metric_decides(lenet):
    five = with_task(lenet, metric=Top(5, name="accuracy@5"))
    assert agreement_of(five) == Agreement(Top(1, "ip2"))
    for other in (Fidelity(), CrossEntropy(), Top(1, "cut off")):
        assert agreement_of(with_task(lenet, metric=other)) is None
        assert divergence_of(with_task(lenet, metric=other)) is None


@pytest.mark.parametrize("shape", [(1,), (4, 8, 8), ("classes",)])
def test_other_outputs_are_no_scores_of_classes(lenet, shape):
    model = lenet.model.clone()
    model.graph.outputs[0].shape = ir.Shape(("N", *shape))
    assert class_output(attrs.evolve(lenet, model=model)) is None


def test_scores_may_have_axes_of_one_behind(lenet):
    model = lenet.model.clone()
    model.graph.outputs[0].shape = ir.Shape(("N", 10, 1, 1))
    assert class_output(attrs.evolve(lenet, model=model)) == "ip2"


def test_networks_that_are_not_classified_say_so_where_it_is_asked_for(lenet):
    other = with_task(lenet, metric=Fidelity())
    with pytest.raises(UsageError) as caught:
        agreement_asked(other)
    assert str(caught.value) == (
        "metric agreement: no output is known to hold classes or detections; use --metric fidelity"
    )
    with pytest.raises(UsageError) as caught:
        divergence_asked(other)
    assert str(caught.value) == (
        "metric divergence: no output is known to hold scores of classes; use --metric fidelity"
    )
