from __future__ import annotations

import tracemalloc

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from prunus.compression.shared import coded_by, shared_exactly
from prunus.compression.streams import DamageError
from prunus.compression.tensors import check, decode, encode


@st.composite
def tensors(draw):
    """Tensors of up to 256 values, from full to empty."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    values = np.unique(random.standard_normal(draw(st.integers(1, 256))).astype(dtype))[:255]
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
    kept = random.random(shape) < draw(st.sampled_from([0, 0.01, 0.1, 0.5, 0.9, 1]))
    return np.where(kept, random.choice(values, shape), dtype(0)).astype(dtype)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tensors())
def test_round_trip_bit_by_bit(weights):
    head, streams = encode("a", shared_exactly(weights, 256))
    check(head)
    assert decode(head, streams).tobytes() == weights.tobytes()
    assert head.streams == tuple(map(len, streams))
    assert (head.shape, head.nbytes) == (weights.shape, weights.nbytes)


@pytest.mark.parametrize(
    ("density", "form"), [(1, "all"), (0.9, "mask"), (0.4, "mask"), (0.02, "gaps")]
)
def test_the_form_that_is_shorter(draw, density, form):
    values = np.float32([-2, -1, 1, 2])
    kept = draw.random(100_000) < density
    weights = np.where(kept, draw.choice(values, 100_000), np.float32(0))
    head, _ = encode("a", shared_exactly(weights, 8))
    assert head.positions == form


def test_small_alphabets_are_packed(draw):
    weights = draw.choice(np.float32([-1, 1]), 80_000)
    head, streams = encode("a", shared_exactly(weights, 2))
    assert head.per_byte == 8
    assert len(streams[2]) < 80_000 / 8 * 1.02


@pytest.fixture
def sparse(draw):
    weights = np.where(draw.random(5000) < 0.1, draw.choice(np.float32([1, 2, 3]), 5000), 0)
    weights = weights.astype(np.float32)
    return encode("a", shared_exactly(weights, 4))


@pytest.mark.parametrize(
    "change",
    [
        {"weights": 6000},
        {"position_bytes": 5001},
        {"values": 0},
        {"values": 17, "per_byte": 2},
        {"values": 256, "streams": (0, 400, 400)},
        {"positions": "all"},
        {"shape": (2**40,), "weights": 2**40},
    ],
    ids=str,
)
def test_numbers_that_contradict_each_other(sparse, change):
    with pytest.raises(DamageError, match="numbers that contradict each other"):
        check(attrs.evolve(sparse[0], **change))


def test_streams_that_do_not_fit(sparse):
    head, streams = sparse
    with pytest.raises(DamageError, match="a value that its codebook does not have"):
        decode(attrs.evolve(head, values=1), [encode_table([1.0]), *streams[1:]])
    with pytest.raises(DamageError, match="ends too early"):
        decode(attrs.evolve(head, weights=head.weights + 8), streams)


@pytest.mark.parametrize("density", [0.02, 0.4])
def test_memory_of_decoding(draw, density):
    """No more than the numbers, their codes and the stream of positions, some bytes a weight."""
    size = 4_000_000
    weights = np.where(draw.random(size) < density, draw.choice(np.float32([1, 2, 3]), size), 0)
    head, streams = encode("a", shared_exactly(weights.astype(np.float32), 4))
    tracemalloc.start()
    try:
        found = decode(head, streams)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, weights)
    assert peak < 8 * size


def encode_table(values):
    numbers = np.float32(values)
    return encode("b", coded_by(numbers, numbers))[1][0]
