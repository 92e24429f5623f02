from __future__ import annotations

import mmap

import numpy as np
import pytest

from prunus.compression import locate as module
from prunus.compression.shared import shared_exactly


def locate(data, tensors):
    shared = ((name, shared_exactly(one, 256)) for name, one in tensors)
    return module.locate(data, shared)


def some(draw, *shape):
    return draw.choice(draw.standard_normal(200).astype(np.float32), shape)


@pytest.fixture
def mapped(tmp_path):
    opened = []

    def make(data: bytes):
        path = tmp_path / f"file{len(opened)}"
        path.write_bytes(data)
        with path.open("rb") as file:
            opened.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return opened[-1]

    yield make
    for data in opened:
        data.close()


def test_tensors_in_their_own_order_at_odd_places(draw, mapped):
    first, second = (some(draw, 4, 3, 5, 5) for _ in range(2))
    data = mapped(b"abc" + second.tobytes() + b"x" + first.tobytes() + b"end")
    found = locate(data, [("first", first), ("second", second)])
    assert [(one.name, one.start, one.order) for one in found] == [
        ("second", 3, (0, 1, 2, 3)),
        ("first", 3 + second.nbytes + 1, (0, 1, 2, 3)),
    ]


def test_axes_in_another_order(draw, mapped):
    kernel = some(draw, 6, 4, 3, 3)
    matrix = some(draw, 10, 20)
    stored = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)).tobytes() + matrix.T.tobytes()
    found = {one.name: one for one in locate(mapped(stored), [("k", kernel), ("m", matrix)])}
    assert found["k"].order == (2, 3, 1, 0)
    assert found["m"].order == (1, 0)


def test_equal_tensors_have_a_place_each(draw, mapped):
    one = some(draw, 50)
    found = locate(mapped(one.tobytes() * 2), [("a", one), ("b", one), ("c", one)])
    assert [(place.name, place.start) for place in found] == [("a", 0), ("b", one.nbytes)]


def test_sparse_tensors_among_zeros(draw, mapped):
    weights = np.zeros((300, 400), np.float32)
    weights[200:, 390:] = some(draw, 100, 10)
    data = bytes(10_001) + weights.tobytes() + bytes(5000)
    (found,) = locate(mapped(data), [("a", weights)])
    assert data[found.start : found.stop] == weights.tobytes()


def test_absent_empty_and_small_ones(draw, mapped):
    there = some(draw, 64)
    data = mapped(there.tobytes())
    other = there.copy()
    other[-1] += 1
    tensors = [("other", other), ("zeros", there * 0), ("small", there[:3])]
    assert locate(data, tensors) == []
    assert locate(b"", [("a", there)]) == []
