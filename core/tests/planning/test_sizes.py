from __future__ import annotations

import pytest

from prunus.errors import UsageError
from prunus.planning.sizes import bytes_of


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, None),
        (12, 12),
        ("12", 12),
        ("12B", 12),
        ("2MB", 2_000_000),
        ("2 MB", 2_000_000),
        ("1.5kB", 1500),
        ("1GB", 10**9),
        ("1KiB", 1024),
        ("1.5MiB", 1_572_864),
        ("1GiB", 2**30),
    ],
)
def test_sizes(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "2Mb", "2mb", "1e6", "2 M B", "nan", "9" * 20])
def test_texts_that_are_no_size(text):
    with pytest.raises(UsageError) as caught:
        bytes_of(text, "--bytes")
    assert str(caught.value) == (
        f"--bytes {text}: a size such as 2MB or 1.5MiB; units are B, kB, MB, GB (powers of 1000), "
        "KiB, MiB, GiB (powers of 1024)"
    )
