"""Files of no format, which every format has to leave alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_strangers(directory: Path) -> list[Path]:
    """Write an empty file, noise, a letter and a table."""
    contents = {
        "empty": b"",
        "noise.bin": np.random.default_rng(0).bytes(512),
        "notes.txt": b"Dear reader,\nthis is not a network.\n",
        "table.csv": b"a,b\n1,2\n",
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return [directory / name for name in contents]


def damaged(content: bytes) -> list[tuple[str, bytes]]:
    """A file cut at several places, and with noise at several places, each with its name."""
    draw = np.random.default_rng(0)
    sizes = [int(len(content) * share) for share in (0.0, 0.1, 0.5, 0.9)]
    found = [(f"cut to {size} of {len(content)} bytes", content[:size]) for size in sizes]
    for _ in range(4):
        noisy = bytearray(content)
        start = int(draw.integers(0, max(1, len(noisy) - 16)))
        noisy[start : start + 16] = draw.bytes(16)
        found.append((f"with 16 bytes of noise from byte {start}", bytes(noisy)))
    return found
