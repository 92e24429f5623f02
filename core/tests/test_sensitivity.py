from __future__ import annotations

import json

import msgspec
import pytest

from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement

CURVES = (
    Curve("conv1", 8, (Point(0.25, 6, 0.85, 0.01), Point(0.5, 4, 0.95, 0.02))),
    Curve("conv2", 4, ()),
)


@pytest.mark.parametrize(("higher", "loss"), [(True, 0.2), (False, -0.2)])
def test_a_loss_is_positive_where_it_got_worse(higher, loss):
    measured = Sensitivity("m", higher, Measurement(0.9, 0.01), CURVES, {})
    assert measured.loss(0.7) == pytest.approx(loss)


def test_curves_by_name():
    measured = Sensitivity("m", True, Measurement(0.9), CURVES, {})
    assert measured.curve("conv2") is CURVES[1]
    assert measured.curve("conv9") is None


def test_json_there_and_back_exactly():
    measured = Sensitivity("m", True, Measurement(0.1 + 0.2, 1 / 3), CURVES, {"data": "x"})
    again = msgspec.json.decode(json.dumps(measured.to_json()), type=Sensitivity)
    assert again.curves == CURVES
    assert again.to_json() == measured.to_json()
    assert (again.baseline.value, again.baseline.error) == (0.1 + 0.2, 1 / 3)
