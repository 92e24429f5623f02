"""Damaged and hostile archives are one line each, refused before anything is allocated."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from prunus.errors import DataError
from prunus.evaluation.npz import open_npz


def npy(header, data=b""):
    text = header.encode() + b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def head(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"


def archive(path, member, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("x.npy", member)
    return path


def refusal(path, name="x"):
    tracemalloc.start()
    with pytest.raises(DataError) as found:
        open_npz(path).read(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    message = str(found.value)
    assert len(message.replace(str(path), "")) < 280
    return message.replace(str(path), "d.npz")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "d.npz"


def test_sound_archives(path, draw):
    x, y = draw.random((3, 4)).astype(np.float32), np.arange(3)
    for save in (np.savez, np.savez_compressed):
        save(path, x=x, y=np.asfortranarray(y), empty=np.zeros((0, 3)), one=np.float64(2))
        found = open_npz(path)
        assert list(found.names) == ["x", "y", "empty", "one"]
        assert np.array_equal(found.read("x"), x)
        assert np.array_equal(found.read("y"), y)
        assert found.read("empty").shape == (0, 3)
        assert found.read("one").shape == ()


@pytest.mark.parametrize("shape", ["(10, 10**9)", "(100000, 3, 1000, 1000)", "(1, 9999999999999)"])
def test_an_enormous_shape_is_refused_before_it_is_allocated(path, shape):
    shape = shape.replace("10**9", "1000000000000")
    message = refusal(archive(path, npy(head(shape), bytes(100))))
    assert message.startswith("d.npz: 'x': declares ")
    assert message.endswith("the file is damaged, or too large to be read here")


def test_a_zip_bomb_is_refused(path, monkeypatch):
    monkeypatch.setattr("prunus.memory.memory", lambda: 40_000_000)
    archive(path, npy(head("(30000000,)", "|u1"), bytes(30_000_000)))
    assert path.stat().st_size < 60_000
    assert refusal(path).startswith("d.npz: 'x': declares 30 MB, more than half of this machine's")


def test_numbers_and_header_disagree(path):
    wanted = "d.npz: 'x' declares 800 bytes of numbers and holds 100; the file is damaged"
    assert refusal(archive(path, npy(head("(200,)"), bytes(100)))) == wanted
    assert "declares -800 bytes" in refusal(archive(path, npy(head("(-200,)"), bytes(100))))
    assert "holds 100" in refusal(archive(path, npy(head("(-5, -5)"), bytes(100))))


def test_python_objects_are_never_loaded(path):
    np.savez(path, x=np.array([{"a": 1}], object))
    assert refusal(path) == (
        "d.npz: 'x' holds Python objects, which are never loaded; save numbers"
    )
    archive(path, pickle.dumps([1]))
    assert refusal(path).startswith("d.npz: not a readable .npz file ('x': ")


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x07\x00",
        npy("{'descr': '<f4'"),
        npy("((((((((((" * 9),
        npy(head("('a',)")),
        npy(head("(2,)", "nonsense")),
        npy(head("(2,)", "<f99")),
        npy(head(f"(1{'0' * 60},)")),
    ],
)
def test_damaged_members(path, member):
    message = refusal(archive(path, member))
    assert message.startswith("d.npz: ")


def test_a_member_with_fields(path):
    np.savez(path, x=np.zeros(2, [("日", "f4")]))
    assert refusal(path) == "d.npz: 'x' has fields by name; it must hold plain numbers"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_cut_and_many_damages_are_one_line(path, compression, draw):
    buffer = io.BytesIO()
    np.save(buffer, draw.random((5, 4)))
    whole = archive(path, buffer.getvalue(), compression).read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 9)]
    for _ in range(300):
        copy = bytearray(whole)
        copy[draw.integers(len(copy))] = draw.integers(256)
        damaged.append(bytes(copy))
    messages = []
    for data in damaged:
        path.write_bytes(data)
        try:
            for name in open_npz(path).names:
                open_npz(path).read(name)
        except DataError as error:
            messages.append(str(error).replace(str(path), "d.npz"))
    assert len(messages) > len(whole) // 9
    assert all(message.startswith("d.npz: ") for message in messages)
    assert max(map(len, messages)) < 250


def test_what_is_no_archive(tmp_path):
    with pytest.raises(DataError) as found:
        open_npz(tmp_path)
    assert str(found.value) == f"{tmp_path}: not a file"
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError) as found:
        open_npz(tmp_path / "a.npz")
    assert str(found.value) == (
        f"{tmp_path / 'a.npz'}: not a readable .npz file (File is not a zip file)"
    )
