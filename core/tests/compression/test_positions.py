from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from prunus.compression.positions import (
    FORMS,
    gaps_of,
    held_by_gaps,
    held_by_mask,
    mask_of,
    padded,
)
from prunus.compression.streams import DamageError

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def joined(parts):
    return np.concatenate([np.empty(0, np.int64), *parts])


@pytest.mark.parametrize("form", FORMS)
def test_many_parts(form, draw):
    encode, decode = FORMS[form]
    places = np.flatnonzero(draw.random(1_500_000) < 0.2)
    parts = list(decode(encode(places, 1_500_000), 1_500_000))
    assert len(parts) > 2
    np.testing.assert_array_equal(joined(parts), places)


@pytest.mark.parametrize("form", FORMS)
@SLOW
@given(held=hnp.arrays(np.bool_, st.integers(0, 2000)))
def test_round_trip(form, held):
    encode, decode = FORMS[form]
    places = np.flatnonzero(held)
    np.testing.assert_array_equal(joined(decode(encode(places, held.size), held.size)), places)


@SLOW
@given(places=st.sets(st.integers(0, 5000), max_size=20))
def test_wide_gaps(places):
    stream = gaps_of(np.array(sorted(places), np.int64), 5001)
    assert joined(held_by_gaps(stream, 5001)).tolist() == sorted(places)


def test_a_byte_of_255_is_no_weight():
    assert gaps_of(np.array([0, 255, 511]), 600).tolist() == [0, 254, 255, 0]
    assert gaps_of(np.array([1000]), 1001).tolist() == [255, 255, 255, 235]


def test_the_index_of_the_paper():
    """Figure 2 of Han, Mao, Dally 2016: distances 1, 3, 11 in three bits; 11 takes a filler."""
    held = np.zeros(20, np.bool_)
    held[[1, 4, 15]] = True
    assert padded(held, 3) == 4
    assert padded(held, 4) == 3


@SLOW
@given(hnp.arrays(np.bool_, st.integers(1, 500)), st.integers(1, 8))
def test_padding_counts_as_written_out(held, bits):
    entries, distance = 0, 0
    for one in held:
        distance += 1
        if one:
            entries += 1 + (distance - 1) // 2**bits
            distance = 0
    assert padded(held, bits) == entries


def test_weights_outside():
    with pytest.raises(DamageError, match="puts a weight outside of its tensor"):
        joined(held_by_gaps(np.uint8([3, 3]), 7))
    with pytest.raises(DamageError, match="marks for another number of weights"):
        joined(held_by_mask(mask_of(np.arange(9), 9), 8))
    with pytest.raises(DamageError, match="marks for another number of weights"):
        joined(held_by_mask(np.uint8([0xFF]), 7))
    with pytest.raises(DamageError, match="marks for another number of weights"):
        joined(held_by_mask(np.uint8([0]), 9))
