"""Hostile and damaged images are one line each, and nothing of their size is allocated."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from prunus.errors import DataError
from prunus.evaluation.decoding import FORMATS, decode

Image = pytest.importorskip("PIL.Image")


def stored(kind, size=(9, 7), mode="RGB"):
    buffer = io.BytesIO()
    Image.new(mode, size, 77).save(buffer, kind)
    return buffer.getvalue()


def png(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def changed(data, found, put):
    assert data.count(found) == 1
    return data.replace(found, put)


BOMBS = {
    "png": png(60000, 60000),
    "png of 100 million": png(10000, 10001),
    "jpeg": changed(stored("JPEG"), struct.pack(">HH", 7, 9), struct.pack(">HH", 65500, 65500)),
    "bmp": changed(stored("BMP"), struct.pack("<ii", 9, 7), struct.pack("<ii", 60000, 60000)),
    "ppm": b"P6\n60000 60000\n255\n" + bytes(100),
    "gif": changed(stored("GIF", mode="L"), b"a" + struct.pack("<HH", 9, 7), b"a" + b"\xff" * 4),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_allocated(name, tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    with pytest.raises(DataError) as found:
        decode(path, 3, "list.txt:3")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    message = str(found.value)
    assert message.startswith("list.txt:3: not a readable image (Image size (")
    assert "pixels) exceeds limit of " in message
    assert len(message) < 250


@pytest.mark.parametrize("kind", FORMATS)
def test_every_cut_and_many_damages_are_one_line(kind):
    whole = stored(kind, (16, 16))
    assert decode(whole, None, "x").shape == (3, 16, 16)
    rng = np.random.default_rng(0)
    damaged = [whole[:length] for length in range(0, len(whole), max(1, len(whole) // 20))]
    for _ in range(40):
        copy = bytearray(whole)
        copy[rng.integers(len(copy))] = rng.integers(256)
        damaged.append(bytes(copy))
    messages = []
    for data in damaged:
        try:
            decode(data, 3, "x")
        except DataError as error:
            messages.append(str(error))
    assert messages
    assert all(message.startswith("x: not a readable image (") for message in messages)
    assert max(map(len, messages)) < 200


def test_no_program_is_started_for_an_image(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(DataError) as found:
        decode(tmp_path / "a.jpg", 3, "a.jpg")
    assert str(found.value) == "a.jpg: not a readable image (no image of a known kind)"


def test_channels(tmp_path):
    assert decode(stored("PNG"), 1, "x").shape == (1, 7, 9)
    assert decode(stored("PNG", mode="L"), 3, "x").shape == (3, 7, 9)
    assert decode(stored("PNG", mode="L"), None, "x").shape == (1, 7, 9)
    with pytest.raises(DataError) as found:
        decode(tmp_path / "no.png", 3, "no.png")
    assert str(found.value) == "no.png: not a readable image (No such file or directory)"
