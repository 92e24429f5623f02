from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from prunus.compression.shared import coded_by, rounded, shared_exactly

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# libraries compiled with -ffast-math (TensorFlow is one) take subnormal numbers away in their process
FLOATS = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


def test_nearest_value_but_only_zero_becomes_zero():
    weights = np.float32([[0, 0.1, -0.4], [-0.0, 3, 0.9]])
    found = coded_by(np.float32([-1, 0, 1]), weights)
    np.testing.assert_array_equal(found.weights(), [[0, 1, -1], [0, 1, 1]])
    assert found.zero == 1
    assert found.codes.dtype == np.uint8


def test_without_zeros():
    found = coded_by(np.float32([-1, 2]), np.float32([0.6, -5, 0.4]))
    np.testing.assert_array_equal(found.weights(), [2, -1, -1])
    assert found.zero is None


@SLOW
@given(hnp.arrays(np.float32, st.integers(1, 3000), elements=FLOATS), st.integers(1, 256))
def test_few_values_are_all_or_none(weights, most):
    distinct = np.unique(weights + 0)
    found = shared_exactly(weights, most)
    if distinct.size <= most:
        np.testing.assert_array_equal(found.codebook, distinct)
        np.testing.assert_array_equal(found.weights(), weights)
    else:
        assert found is None


def test_few_values_across_chunks(draw):
    weights = draw.choice(np.float32([-2, 0, 0.5, 7]), 2_500_000)
    weights[-1] = 9
    found = shared_exactly(weights, 5)
    assert found.codebook.tolist() == [-2, 0, 0.5, 7, 9]
    np.testing.assert_array_equal(found.weights(), weights)
    assert shared_exactly(weights, 4) is None


def test_256_values_in_any_order_without_zeros(draw):
    weights = draw.permutation(np.repeat(np.arange(1, 257), 1200)).astype(np.float32)
    found = shared_exactly(weights, 256)
    assert found.codebook.tolist() == list(range(1, 257))
    np.testing.assert_array_equal(found.weights(), weights)
    assert shared_exactly(np.append(weights, np.float32(0)), 256) is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_minus_zero_is_left(dtype):
    assert np.signbit(shared_exactly(np.array([-0.0, 1], dtype), 2).codebook).tolist() == [
        False,
        False,
    ]


@SLOW
@given(st.integers(0, 2**32), st.integers(1, 100))
def test_rounded_values_have_a_short_fraction(seed, count):
    draw = np.random.default_rng(seed)
    values = (draw.standard_normal(count) * 10.0 ** draw.uniform(-20, 20, count)).astype(np.float32)
    found = rounded(values)
    assert not (found.view(np.uint32) & 0xFFF).any()
    nearest = np.abs(found - values[:, None]).min(axis=1)
    assert (nearest <= np.abs(values) * 2.0**-12).all()
