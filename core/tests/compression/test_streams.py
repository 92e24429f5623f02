from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from prunus.compression.streams import (
    DamageError,
    Decoding,
    coded,
    coded_rest,
    decoded,
    entropy,
    possible,
    shortest,
)

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)


def array(data: bytes):
    return np.frombuffer(data, np.uint8)


@SLOW
@given(st.binary(max_size=5000))
def test_round_trip(data):
    assert decoded(coded(array(data)), len(data)) == data


def test_near_the_entropy(draw):
    data = np.clip(np.rint(draw.laplace(scale=4, size=200_000)) + 128, 0, 255).astype(np.uint8)
    assert entropy(data) <= len(coded(data)) < 1.01 * entropy(data) + 100


def test_long_streams_too(draw):
    data = draw.integers(0, 20, 3_000_000).astype(np.uint8)
    assert decoded(coded(data), data.size) == data.tobytes()


def test_repetitions_are_found():
    data = np.tile(np.arange(200, dtype=np.uint8), 50)
    assert len(coded(data)) < 500 < entropy(data)


def test_pieces_are_read_in_any_cut():
    code = coded_rest([b"abc" * 1000, b"def" * 100_000])
    reading = Decoding(code)
    assert b"".join(reading.read(3001)) == b"abc" * 1000 + b"d"
    assert b"".join(reading.read(299_999, last=True)) == (b"def" * 100_000)[1:]


@pytest.mark.parametrize("size", [0, 1, 4999, 5001, 2**40])
def test_another_length_than_declared(size):
    with pytest.raises(DamageError, match="ends too early|does not end where it should"):
        decoded(coded(array(b"x" * 5000)), size)


def test_bytes_behind_the_end():
    with pytest.raises(DamageError, match="does not end where it should"):
        decoded(coded(array(b"x" * 50)) + b"y", 50)


@SLOW
@given(st.binary(max_size=300), st.integers(0, 1000))
def test_any_bytes_as_a_code(code, size):
    with suppress(DamageError):
        assert len(decoded(code, size)) == size


def test_the_shortest_form():
    forms = {"long": array(bytes(range(200))), "short": array(b"\0" * 200)}
    assert shortest(forms) == ("short", coded(forms["short"]))


def test_what_a_code_can_hold():
    data = b"\0" * 1_000_000
    assert possible(len(data), len(coded(array(data))))
    assert not possible(10**9, 900_000)
