from __future__ import annotations

import pytest

from prunus import memory
from prunus.errors import DataError
from prunus.memory import check_room, shown


def test_half_of_the_memory_is_the_limit(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 1000)
    check_room(500, "a", DataError)
    with pytest.raises(DataError) as found:
        check_room(501, "d.npz: 'x'", DataError)
    assert str(found.value) == (
        "d.npz: 'x': declares 501 bytes, more than half of this machine's 1 kB of memory; the "
        "file is damaged, or too large to be read here"
    )


def test_the_memory_is_a_plausible_number():
    assert 1 << 27 < memory.memory() < 1 << 50


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 bytes"), (14_400_000_000, "14.4 GB"), (10**400, "1e+18 TB"), (2 * 10**13, "20 TB")],
)
def test_numbers_of_bytes(nbytes, text):
    assert shown(nbytes) == text
