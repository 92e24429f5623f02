from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from prunus.methods.k_means import k_means
from prunus.testing import sharing_checks


@pytest.mark.parametrize("check", sharing_checks("k-means"), ids=str)
def test_conformance(check):
    check()


def plain_lloyd(values, count):
    """The same by the definition: every value to its nearest centroid, then the mean."""
    ordered = np.sort(values.astype(np.float64))
    centroids = np.linspace(ordered[0], ordered[-1], count)
    for _ in range(300):
        bounds = ((centroids[1:] + centroids[:-1]) / 2).astype(np.float32)
        nearest = np.searchsorted(bounds, ordered)
        held = [nearest == k for k in range(count)]
        assert all(one.any() for one in held)
        moved = np.array([ordered[one].mean() for one in held])
        if np.allclose(moved, centroids, rtol=1e-12, atol=0):
            break
        centroids = moved
    return centroids.astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 7, 32])
def test_equal_to_lloyd_by_its_definition(draw, count):
    values = draw.uniform(-1, 2, size=3000).astype(np.float32)
    np.testing.assert_allclose(k_means(values, count), plain_lloyd(values, count), rtol=1e-5)


def test_two_bulks_have_a_centroid_each():
    values = np.float32([-1.1, -0.9, 2.0, 2.2, 2.4])
    np.testing.assert_allclose(k_means(values, 2), [-1, 2.2], rtol=1e-6)


def test_no_cluster_stays_empty(draw):
    values = np.append(draw.standard_normal(1000), 1e4).astype(np.float32)
    assert k_means(values, 32).size == 32
    assert k_means(np.float32([1, 1, 5, 5, 9]), 32).tolist() == [1, 5, 9]


def test_even_distances_first_keep_the_largest_weight():
    values = np.concatenate((np.linspace(-1, 1, 1000), [10.0])).astype(np.float32)
    assert k_means(values, 8)[-1] == 10


def test_a_tiny_value_beside_many_large_ones_stays():
    tiny = np.float32(3.2003262e-09)
    found = k_means(np.append(np.full(513, -1, np.float32), tiny), 2)
    assert found.tolist() == [-1, tiny]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hnp.arrays(
        np.float32,
        st.integers(1, 600),
        elements=st.floats(-100, 100, width=32, allow_subnormal=False),
    ),
    st.integers(1, 40),
)
def test_any_weights(values, count):
    found = k_means(values, count)
    assert 1 <= found.size <= count
    assert (np.diff(found) > 0).all()
    assert values.min() <= found[0] + abs(found[0]) * 1e-6
    assert found[-1] - abs(found[-1]) * 1e-6 <= values.max()
