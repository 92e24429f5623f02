from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.network import Compact
from prunus.proof import blame


@pytest.fixture
def batch(draw):
    return {"data": draw.standard_normal((2, 1, 12, 12)).astype(np.float32)}


@pytest.fixture
def prepared(monkeypatch):
    """Numbers of values of the sessions prepared, and whole graphs divided into three runs."""
    found = []

    def counted(model, outputs, *, samples):
        found.append(len(outputs))
        return Session(model, outputs, samples=samples)

    monkeypatch.setattr(blame, "Session", counted)
    monkeypatch.setattr(blame, "_AT_ONCE", 1)
    monkeypatch.setattr(blame, "_RUNS", 3)
    return found


def test_first_layer_without_numbers_in_a_bounded_number_of_runs(lenet, batch, prepared):
    assert blame.first_without_numbers(lenet, batch) is None
    assert prepared == [3, 3, 3]
    weight = np.full_like(lenet.weights()["conv2/weight"], np.inf)
    broken = lenet.with_weights({"conv2/weight": weight})
    assert blame.first_without_numbers(broken, batch) == "conv2"
    assert prepared[3:] == [3, 3]


def test_first_layer_that_differs_in_a_bounded_number_of_runs(lenet, batch, prepared):
    other = lenet.with_weights({"conv2/weight": lenet.weights()["conv2/weight"] * 2})
    compact = Compact(other.model, {})
    assert blame.first_difference(lenet, compact, batch, 1e-5) == "conv2"
    assert prepared == [3] * 4
    assert blame.first_difference(lenet, Compact(lenet.model, {}), batch, 1e-5) is None
    assert prepared[-6:] == [3] * 6
