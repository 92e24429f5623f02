from __future__ import annotations

import math

import numpy as np
import pytest

from prunus.errors import DataError, UsageError
from prunus.evaluation.metrics import CrossEntropy, Fidelity, Top, mean_of, top_named
from prunus.evaluation.registered import registered_metrics
from prunus.host import start
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder

SCORES = np.array([[3.0, 1, 2, 0], [0.0, 5, 4, 1], [1.0, 2, 9, 3]], np.float32)


def seen(metric, scores, labels, name="y"):
    return metric.observe({name: scores}, {name: scores}, labels).tolist()


def test_top_k_counts_labels_among_the_k_highest():
    labels = np.array([0, 2, 1])  # ranks 1, 2, 3
    assert seen(Top(1), SCORES, labels) == [1, 0, 0]
    assert seen(Top(2), SCORES, labels) == [1, 1, 0]
    assert seen(Top(3), SCORES, labels) == [1, 1, 1]


def test_more_than_all_classes():
    with pytest.raises(UsageError) as caught:
        Top(4).observe({"y": np.zeros((2, 3))}, {}, [0, 1])
    assert str(caught.value) == (
        "metric top-4: the network tells 3 classes apart; choose a smaller K"
    )


def test_top_k_of_a_dead_network_is_chance():
    labels = np.arange(10)
    for dead in (np.zeros((10, 10), np.float32), np.full((10, 10), 0.1, np.float32)):
        assert sum(seen(Top(1), dead, labels)) == 1
        assert sum(seen(Top(5), dead, labels)) == 5


def test_of_equal_scores_the_first_wins():
    scores = np.array([[1.0, 5, 5, 0]], np.float32)
    hits = [seen(Top(1), scores, np.array([label])) for label in range(4)]
    assert hits == [[0], [1], [0], [0]]


def test_scores_that_are_no_numbers_are_no_hits():
    scores = SCORES.copy()
    scores[0, 0] = np.nan
    scores[1] = np.nan
    assert seen(Top(1), scores, np.array([0, 1, 2])) == [0, 0, 1]
    assert seen(Top(2), scores, np.array([0, 1, 2])) == [0, 0, 1]


def test_the_last_output_is_read_unless_another_is_named():
    outputs = {"first": SCORES, "last": -SCORES}
    labels = np.array([0, 1, 2])
    assert Top(1).observe(outputs, outputs, labels).tolist() == [0, 0, 0]
    assert Top(1, "first").observe(outputs, outputs, labels).tolist() == [1, 1, 1]


def test_maps_of_one_pixel_are_scores():
    assert seen(Top(1), SCORES.reshape(3, 4, 1, 1), np.array([0, 1, 2])) == [1, 1, 1]


def test_cross_entropy_by_hand():
    scores = np.array([[math.log(3), 0.0]], np.float32)  # probabilities 3/4 and 1/4
    assert seen(CrossEntropy(), scores, np.array([1])) == pytest.approx([math.log(4)])
    ready = np.array([[0.75, 0.25]], np.float32)
    assert seen(CrossEntropy(softmax=False), ready, np.array([1])) == pytest.approx([math.log(4)])
    huge = np.array([[1e4, 0.0]], np.float32)
    assert seen(CrossEntropy(), huge, np.array([1])) == pytest.approx([1e4])


def test_fidelity_takes_all_outputs_together():
    reference = {"a": np.array([[3.0, 0.0]]), "b": np.array([[0.0, 4.0]])}  # norm 5
    outputs = {"a": np.array([[3.0, 0.0]]), "b": np.array([[1.0, 4.0]])}
    assert Fidelity().observe(outputs, reference, None).tolist() == pytest.approx([1 - 1 / 5])
    assert Fidelity().observe(reference, reference, None).tolist() == [1.0]


def test_fidelity_of_outputs_without_axes():
    assert Fidelity().observe({"y": np.array([2.0, 3])}, {"y": np.array([4.0, 3])}, None) == (
        pytest.approx([0.5, 1.0])
    )


def test_mean_and_standard_error_over_all_batches():
    found = mean_of([np.array([1.0, 0.0, 1.0]), np.array([0.0])])
    assert found.value == 0.5
    assert found.error == pytest.approx(0.5 / math.sqrt(4))  # sqrt(p (1 - p) / n)


def test_nothing_observed():
    with pytest.raises(DataError, match="^no samples: the data set is empty$"):
        mean_of([])


@pytest.mark.parametrize(("label", "named"), [(4, 4), (-1, -1)])
def test_labels_of_another_data_set(label, named):
    with pytest.raises(
        DataError,
        match=f"^label {named} does not fit the network's 4 outputs; is this the right data set[?]$",
    ):
        seen(Top(1), SCORES, np.array([0, 1, label]))


def test_no_labels():
    message = "^the metric needs labels and the data set has none; use --metric fidelity$"
    with pytest.raises(DataError, match=message):
        seen(CrossEntropy(), SCORES, None)


def named(name, model):
    return registered_metrics(start()).makers[name](as_network(model))


def test_names():
    b = Builder(0)
    model = b.model(b.gemm(b.flatten(b.input(1, 4)), 3))
    assert top_named("top-5") == Top(5)
    assert top_named("top-5").name == "top-5"
    assert [top_named(name) for name in ("top-0", "top-x", "top", "map")] == [None] * 4
    assert named("accuracy", model) == Top(1, name="accuracy")
    assert named("fidelity", model) == Fidelity()
    assert named("loss", model) == CrossEntropy()


@pytest.mark.parametrize("behind", ["prob", "flat"])
def test_the_loss_does_not_take_a_final_softmax_twice(behind):
    b = Builder(0)
    last = b.node("Softmax", "prob", [b.gemm(b.flatten(b.input(1, 4)), 3)], (3,), {"axis": 1})
    if behind == "flat":
        last = b.node("Flatten", "flat", [last], (3,))
    assert named("loss", b.model(last)) == CrossEntropy(softmax=False)


def test_fidelity_of_a_sample_without_any_output():
    reference = {"y": np.zeros((3, 2), np.float32)}
    outputs = {"y": np.array([[0, 0], [1e-3, 0], [5, 5]], np.float32)}
    assert Fidelity().observe(outputs, reference, None).tolist() == [1, 0, 0]


def test_one_output_tells_no_classes_apart():
    outputs = {"y": np.zeros((3, 1), np.float32)}
    for metric in (Top(1), CrossEntropy()):
        with pytest.raises(DataError) as caught:
            metric.observe(outputs, outputs, np.array([0, 1, 0]))
        assert str(caught.value) == (
            "the network has one output, which tells no classes apart: give --metric fidelity, or a "
            "function of your own"
        )


def test_a_metric_of_what_the_network_does_not_compute():
    scores = {"scores": np.zeros((2, 3), np.float32)}
    with pytest.raises(UsageError) as caught:
        Top(1, "ip2").observe(scores, scores, np.zeros(2, np.int64))
    assert str(caught.value) == (
        "the network's own metric reads 'ip2', which only an opaque layer makes; "
        "give --metric fidelity"
    )
