"""Samples in pieces, and how sure a loss measured on them is."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.analysis.link import Link
from prunus.analysis.racing import (
    Seen,
    divided,
    is_looked_at,
    is_settled,
    judged,
    lost,
    values_of,
)
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity, mean_of


@pytest.fixture
def evaluator(lenet, draw):
    samples = draw.standard_normal((8, 1, 12, 12)).astype(np.float32)
    return Evaluator(lenet, ArrayDataset("data", samples), Fidelity())


@pytest.mark.parametrize("count", [1, 2, 6, 38, 63, 64, 1000, 5000])
def test_many_samples_are_fitted_to_or_measured_on_and_few_are_both(count):
    positions = np.arange(count) * 3
    found = divided(positions, 0)
    measured = np.concatenate(found.pieces)
    if count < 64:
        assert found.fitted.tolist() == sorted(measured.tolist()) == positions.tolist()
    else:
        assert not set(found.fitted.tolist()) & set(measured.tolist())
        assert len(measured) == count - count // 2
        assert len(found.fitted) == min(count // 2, len(found.fitted)) > 31
    assert all(len(piece) for piece in found.pieces)
    assert len(found.pieces) >= min(4, count)
    assert max(map(len, found.pieces)) <= max(1, min(len(measured) // 32, 12)) + 1


def test_the_seed_divides():
    first, again, other = (divided(np.arange(100), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.fitted, again.fitted)
    assert not np.array_equal(first.fitted, other.fitted)


def seen(values, pieces, distance=0.1):
    return [Seen([part], [len(part)], [distance]) for part in np.split(values, pieces)]


def test_the_error_is_that_of_the_difference(evaluator, draw):
    """Samples that are hard before and after say nothing about the loss."""
    before = draw.random(320) * 100
    after = before - draw.normal(2.0, 1.0, 320)
    found = lost(evaluator, values_of(evaluator, seen(before, 20)), seen(after, 20))
    assert found.loss == pytest.approx((before - after).mean())
    assert found.error == pytest.approx(1 / np.sqrt(320), rel=0.6)


def test_the_distance_is_the_mean_over_samples(evaluator):
    pieces = [Seen([np.ones(4)], [4], [0.1]), Seen([np.ones(1), np.ones(1)], [1, 1], [0.4, 0.8])]
    found = lost(evaluator, values_of(evaluator, pieces), pieces)
    assert found.distance == pytest.approx((4 * 0.1 + 0.4 + 0.8) / 6)
    assert found.spread == pytest.approx(0.25)


def test_one_piece_has_the_error_of_the_metric(evaluator, draw):
    values = draw.random(5)
    found = lost(evaluator, values_of(evaluator, seen(values, 1)), seen(values - 1, 1))
    assert found.loss == pytest.approx(1)
    assert found.error == mean_of([values]).error


def test_a_loss_of_few_samples_is_drawn_to_what_is_expected(evaluator):
    """No answer of 64 has changed; by the distance 2 of 100 should."""
    same = seen(np.ones(64), 4)
    found = judged(evaluator, values_of(evaluator, same), same, Link.of([(1.0, 0.2)]))
    assert 0 < found.loss < 0.02
    assert 0 < found.error < 0.02


def test_a_clear_loss_is_settled_sooner_than_a_noisy_one(evaluator, draw):
    whole, link = draw.random(512), Link.of([])
    clear, noisy = whole - 0.5 + draw.normal(0, 0.01, 512), whole - 0.1 + draw.normal(0, 1, 512)
    before = seen(whole, 32)

    def settled(after):
        for count in filter(is_looked_at, range(1, 33)):
            whole_values = values_of(evaluator, before[:count])
            if is_settled(evaluator, judged(evaluator, whole_values, after[:count], link)):
                yield count

    assert list(settled(seen(clear, 32))) == [4, 8, 16, 32]
    assert 4 not in settled(seen(noisy, 32))


def test_the_original_is_the_same_without_blocks_of_the_same_size(evaluator, draw):
    values = draw.random(40)
    found = values_of(evaluator, seen(values, 20))
    assert found.whole == pytest.approx(values.mean())
    left = [np.delete(values, slice(6 * n, 6 * n + 6)).mean() for n in range(4)]
    assert found.parts[:4] == pytest.approx(left)
    assert found.parts.mean() == pytest.approx(found.whole, rel=0.05)
