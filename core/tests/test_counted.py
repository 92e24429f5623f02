from __future__ import annotations

from prunus.counted import counted


def test_nouns_follow_their_number():
    said = [counted(number, "group") for number in (0, 1, 2, 1200)]
    assert said == ["0 groups", "1 group", "2 groups", "1,200 groups"]
