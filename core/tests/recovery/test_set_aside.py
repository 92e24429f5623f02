"""Large weights are set aside in a file, small ones in memory."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from prunus.recovery.set_aside import set_aside


@pytest.fixture
def weights(draw):
    return {
        "a/weight": draw.standard_normal((3, 4, 5)).astype(np.float32),
        "b": np.asfortranarray(draw.standard_normal((6, 7)).astype(np.float32)),
    }


def test_small_weights_come_back_themselves(weights):
    assert set_aside(weights)() is weights


def test_large_weights_come_back_equal(weights, monkeypatch):
    monkeypatch.setattr("prunus.recovery.set_aside._LARGE", 0)
    back = set_aside(weights)
    for _ in range(2):
        found = back()
        assert list(found) == list(weights)
        for name, array in weights.items():
            assert found[name] is not array
            np.testing.assert_array_equal(found[name], array)


def test_large_weights_stay_in_memory_where_the_disk_is_full(weights, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("prunus.recovery.set_aside._LARGE", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert set_aside(weights)() is weights
