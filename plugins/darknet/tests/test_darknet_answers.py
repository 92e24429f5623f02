"""Distance of two detectors' answers, and places of the boxes."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.plugin import AnswerDistance, PlaceFinder
from prunus_darknet.boxes.average_precision import MeanAveragePrecision
from prunus_darknet.testing.heads import head_of

CFG = """[net]
width=64
height=64
channels=3
[convolutional]
filters=7
size=1
stride=8
activation=linear
[yolo]
mask=0
anchors=16,16
classes=2
num=1
"""
HEAD = head_of(CFG)
METRIC = MeanAveragePrecision((HEAD,))


def raw(*, objectness: float = 4.0) -> np.ndarray:
    """One object in cell (2, 5) of 8 by 8, of the size of the anchor; nothing elsewhere."""
    found = np.zeros((1, 7, 8, 8), np.float32)
    found[:, 4:] = -9.0
    found[0, 4:6, 2, 5] = objectness
    return found


def distance(outputs: np.ndarray) -> float:
    return float(METRIC.distance({HEAD.output: outputs}, {HEAD.output: raw()})[0])


def test_the_metric_has_both_parts() -> None:
    assert isinstance(METRIC, AnswerDistance)
    assert isinstance(METRIC, PlaceFinder)


def test_equal_answers_are_no_distance_apart() -> None:
    assert distance(raw()) == 0


@pytest.mark.parametrize("channel", [0, 2, 4, 5])
def test_an_object_that_changes_counts_more_than_background_that_does(channel: int) -> None:
    changed, beside = raw(), raw()
    changed[0, channel, 2, 5] += 1.5
    beside[0, channel, 6, 1] += 1.5
    assert distance(changed) > 100 * distance(beside)


def test_an_object_that_is_lost_and_one_that_is_invented_count() -> None:
    lost, invented = raw(objectness=-9.0), raw()
    invented[0, 4:6, 6, 1] = 4.0
    assert distance(lost) > 1
    assert distance(invented) > 1


def test_places_are_those_the_box_covers() -> None:
    (places,) = METRIC.places({HEAD.output: raw()})
    # 16 pixels around the middle of the cell: 36 to 52 across, 12 to 28 down, in cells of 2 pixels
    inside = np.zeros((32, 32), bool)
    inside[6:14, 18:26] = True
    np.testing.assert_allclose(places[inside], 1 / (1 + np.exp(-4.0)), rtol=1e-6)
    assert not places[~inside].any()


def test_places_at_the_edge_stay_inside() -> None:
    edge = raw(objectness=-9.0)
    edge[0, 4:6, 0, 7] = 4.0
    (places,) = METRIC.places({HEAD.output: edge})
    assert np.argwhere(places)[:, 0].tolist()[0] == 0
    assert places[0, 31] > 0.9
    assert not METRIC.places({HEAD.output: raw(objectness=-9.0)}).any()
