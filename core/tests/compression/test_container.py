from __future__ import annotations

import hashlib
import struct
import tracemalloc
import zlib
from contextlib import suppress

import attrs
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from prunus.compression.container import MAGIC, Header, contents, pack, read_container
from prunus.compression.decompress import decompress
from prunus.compression.shared import shared_exactly
from prunus.compression.streams import coded_rest
from prunus.errors import ModelError, PrunusError
from prunus.network import Written

SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def native(tmp_path, draw):
    """A text file, an empty one, and weights with a header, of which two tensors are shared."""
    values = np.sort(draw.standard_normal(15)).astype(np.float32)
    dense = draw.choice(values, (40, 30))
    sparse = np.where(draw.random((8, 5, 3, 3)) < 0.2, draw.choice(values, (8, 5, 3, 3)), 0)
    tensors = {"dense": dense, "sparse": sparse.astype(np.float32)}
    folder = tmp_path / "native"
    (folder / "sub").mkdir(parents=True)
    (folder / "net.txt").write_text("layers\n" * 50)
    (folder / "empty").write_bytes(b"")
    stored = tensors["sparse"].transpose(2, 3, 1, 0).tobytes()
    (folder / "sub/net.weights").write_bytes(b"head" + stored + b"mid" + dense.tobytes() + b"end")
    shared = {name: shared_exactly(one, 256) for name, one in tensors.items()}
    files = [folder / "net.txt", folder / "empty", folder / "sub/net.weights"]
    written = Written(folder / "net.txt", folder / "sub/net.weights")
    return folder, pack(folder, files, written, "toy", shared)


def unpacked(data: bytes) -> dict[str, bytes]:
    found = contents(read_container(data, "net.prunus"))
    return {file.name: b"".join(pieces) for file, pieces in found}


def joined(header: Header | dict, streams: bytes) -> bytes:
    """A container with sound lengths and a sound digest, whatever its header says."""
    plain = msgspec.json.encode(header)
    code = coded_rest([plain])
    body = code + streams
    fixed = struct.pack("<8sHII", MAGIC, 1, len(code), len(plain))
    return fixed + hashlib.sha256(body).digest() + body


def streams_of(data: bytes) -> bytes:
    (length,) = struct.unpack_from("<I", data, 10)
    return data[50 + length :]


def test_files_come_back_bit_by_bit(native, tmp_path):
    folder, (data, header) = native
    assert unpacked(data) == {
        name: (folder / name).read_bytes() for name in ("net.txt", "empty", "sub/net.weights")
    }
    assert [(one.name, one.shape) for one in header.tensors] == [
        ("sparse", (3, 3, 5, 8)),
        ("dense", (40, 30)),
    ]
    assert len(data) < 0.35 * (folder / "sub/net.weights").stat().st_size
    (tmp_path / "net.prunus").write_bytes(data)
    written = decompress(tmp_path / "net.prunus", tmp_path / "out")
    assert written.model == tmp_path / "out/net.txt"
    assert written.weights == tmp_path / "out/sub/net.weights"
    assert written.weights.read_bytes() == (folder / "sub/net.weights").read_bytes()
    assert written.others == (tmp_path / "out/empty",)


def test_the_same_network_gives_the_same_container(native, tmp_path):
    _, (data, header) = native
    container = read_container(data, "a")
    assert container.header == header
    assert msgspec.json.decode(msgspec.json.encode(header), type=Header) == header


@settings(max_examples=300, suppress_health_check=SUPPRESSED, deadline=None)
@given(st.data())
def test_any_flipped_bit_and_any_cut(native, data):
    _, (whole, _) = native
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = whole[:place]
    else:
        bit = data.draw(st.integers(0, 7))
        damaged = whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
    with pytest.raises(ModelError) as caught:
        unpacked(damaged)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith("net.prunus: ")


@settings(max_examples=300, suppress_health_check=SUPPRESSED, deadline=None)
@given(st.data())
def test_flipped_bits_under_a_sound_digest(native, data):
    """Somebody can write any streams; files come out only as their digests say."""
    folder, (whole, header) = native
    streams = bytearray(streams_of(whole))
    for _ in range(data.draw(st.integers(1, 3))):
        streams[data.draw(st.integers(0, len(streams) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(ModelError):
        for name, content in unpacked(joined(header, bytes(streams))).items():
            assert content == (folder / name).read_bytes()


numbers = st.one_of(
    st.integers(-(2**63), 2**63),
    st.integers(-2, 300),
    st.none(),
    st.text(),
    st.floats(allow_subnormal=False),
)


def changed(value, path, new):
    """The value with another one somewhere in it."""
    if not path or not value or not isinstance(value, dict | list):
        return new
    place = path[0] % len(value)
    if isinstance(value, dict):
        key = sorted(value)[place]
        return {**value, key: changed(value[key], path[1:], new)}
    return [*value[:place], changed(value[place], path[1:], new), *value[place + 1 :]]


@settings(max_examples=500, suppress_health_check=SUPPRESSED, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=5), numbers)
def test_any_header_under_a_sound_digest(native, path, new):
    _, (whole, header) = native
    plain = msgspec.json.decode(msgspec.json.encode(header))
    with suppress(ModelError):
        unpacked(joined(changed(plain, path, new), streams_of(whole)))


def refused(data: bytes) -> str:
    """The message, which is one line with the file's name."""
    with pytest.raises(ModelError) as caught:
        unpacked(data)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert said.startswith("net.prunus: ")
    return said


def test_every_cut(native):
    _, (whole, _) = native
    for length in range(len(whole)):
        said = refused(whole[:length])
        if length < len(MAGIC):
            assert said == "net.prunus: no container of 'prunus compress'"
        else:
            assert said.startswith("net.prunus: damaged: ")
            assert said.endswith("; use a sound copy")


def counts(value, path=()):
    """Paths of all whole numbers in a header."""
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from counts(inner, (*path, key))
    elif isinstance(value, int):
        yield path


@pytest.mark.parametrize("number", [2**60, 2**48, 2**40, 2**32, 2**31 - 1, 2**63 - 1, 2**64, -1])
def test_every_length_field(native, number):
    """Huge and negative numbers in each place of the header, under a sound digest."""
    _, (whole, header) = native
    plain = msgspec.json.decode(msgspec.json.encode(header))
    paths = list(counts(plain))
    assert len(paths) > 30
    for path in paths:
        damaged = msgspec.json.decode(msgspec.json.encode(header))
        *outer, last = path
        at = damaged
        for key in outer:
            at = at[key]
        if at[last] == number:  # the rest is named by -1
            continue
        at[last] = number
        tracemalloc.start()
        try:
            said = refused(joined(damaged, streams_of(whole)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2**22, (path, said)


@pytest.mark.parametrize("place", [10, 14])
@pytest.mark.parametrize("number", [0, 2**31, 2**32 - 1])
def test_lengths_before_the_header(native, place, number):
    _, (whole, _) = native
    said = refused(whole[:place] + struct.pack("<I", number) + whole[place + 4 :])
    assert said.startswith("net.prunus: damaged: ")


def test_a_digest_of_something_else(native):
    _, (whole, _) = native
    assert refused(whole[:18] + hashlib.sha256(b"").digest() + whole[50:]) == (
        "net.prunus: damaged: its digest is not that of its contents; use a sound copy"
    )


def test_a_header_of_many_pieces(native):
    """However many entries a header has, it takes some times its length of memory."""
    _, (data, header) = native
    pieces = ",".join(["[-1,0]"] * 50_000)
    plain = msgspec.json.encode(header).replace(b"[-1,350]", f"[-1,350],{pieces}".encode())
    code = coded_rest([plain])
    body = code + streams_of(data)
    fixed = struct.pack("<8sHII", MAGIC, 1, len(code), len(plain))
    whole = fixed + hashlib.sha256(body).digest() + body
    assert len(whole) < len(plain) / 50
    tracemalloc.start()
    try:
        assert unpacked(whole)["net.txt"] == b"layers\n" * 50
        assert tracemalloc.get_traced_memory()[1] < 20 * len(plain)
    finally:
        tracemalloc.stop()


def test_other_files(tmp_path):
    with pytest.raises(ModelError) as caught:
        read_container(b"PK\3\4" * 20, "net.zip")
    assert str(caught.value) == "net.zip: no container of 'prunus compress'"
    with pytest.raises(ModelError) as caught:
        decompress(tmp_path / "none.prunus", tmp_path)
    assert (
        str(caught.value) == f"{tmp_path}/none.prunus: cannot read it (No such file or directory)"
    )


def test_a_later_version(native):
    _, (data, _) = native
    later = data[:8] + struct.pack("<H", 2) + data[10:]
    with pytest.raises(ModelError) as caught:
        read_container(later, "net.prunus")
    assert str(caught.value) == (
        "net.prunus: a container of version 2; this prunus reads version 1, install a later one"
    )


def test_a_changed_byte(native):
    _, (data, _) = native
    with pytest.raises(ModelError) as caught:
        read_container(data[:-1] + bytes([data[-1] ^ 1]), "net.prunus")
    assert str(caught.value) == (
        "net.prunus: damaged: its digest is not that of its contents; use a sound copy"
    )


@pytest.mark.parametrize(
    "name",
    ["../up", "/etc/passwd", "a/../b", "a//b", "./a", "C:\\x", "a\\b", "a\0b", "a\nb", "."],
)
def test_names_that_lead_elsewhere(native, name):
    _, (data, header) = native
    files = (attrs.evolve(header.files[0], name=name), *header.files[1:])
    with pytest.raises(ModelError) as caught:
        read_container(joined(attrs.evolve(header, files=files), streams_of(data)), "net.prunus")
    assert str(caught.value) == (
        f"net.prunus: damaged: names a file outside of its directory ({name!r}); use a sound copy"
    )


def test_one_name_for_two_files(native):
    _, (data, header) = native
    files = (header.files[0], attrs.evolve(header.files[1], name="NET.txt"), header.files[2])
    with pytest.raises(ModelError, match="names a file twice"):
        read_container(joined(attrs.evolve(header, files=files), streams_of(data)), "net.prunus")


def test_huge_tensors_are_refused_before_they_are_made(native):
    _, (data, header) = native
    for shape in ((2**47,), (2**40, 2**40)):
        tensor = attrs.evolve(header.tensors[0], shape=shape)
        huge = attrs.evolve(header, tensors=(tensor, *header.tensors[1:]))
        with pytest.raises(ModelError, match="tensor 'sparse': declares .* of memory"):
            read_container(joined(huge, streams_of(data)), "net.prunus")


def test_huge_files_are_refused_before_they_are_written(native):
    _, (data, header) = native
    file = attrs.evolve(header.files[0], pieces=((-1, 2**45),))
    huge = attrs.evolve(header, files=(file, *header.files[1:]))
    with pytest.raises(ModelError, match="states an impossible length of its files"):
        read_container(joined(huge, streams_of(data)), "net.prunus")


def test_more_than_the_free_space(native, tmp_path, monkeypatch):
    _, (data, _) = native
    (tmp_path / "net.prunus").write_bytes(data)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("prunus.compression.decompress.shutil.disk_usage", lambda path: usage)
    with pytest.raises(PrunusError) as caught:
        decompress(tmp_path / "net.prunus", tmp_path / "out")
    assert str(caught.value).endswith("has 1 kB left; free some, or give another --output")
    assert not list((tmp_path / "out").iterdir())


def test_a_header_that_explodes(native):
    """16 MB of header at most, however small its code is."""
    body = zlib.compress(bytes(100_000_000), 9, -15)
    fixed = struct.pack("<8sHII", MAGIC, 1, len(body), 100_000_000)
    with pytest.raises(ModelError, match="states an impossible length of its header"):
        read_container(fixed + hashlib.sha256(body).digest() + body, "net.prunus")


def test_nothing_is_left_of_a_damaged_container(native, tmp_path):
    _, (data, header) = native
    last = attrs.evolve(header.files[2], digest="0" * 64)
    wrong = attrs.evolve(header, files=(*header.files[:2], last))
    (tmp_path / "net.prunus").write_bytes(joined(wrong, streams_of(data)))
    with pytest.raises(ModelError) as caught:
        decompress(tmp_path / "net.prunus", tmp_path / "out")
    assert str(caught.value) == (
        f"{tmp_path}/net.prunus: damaged: 'sub/net.weights' comes out with other bytes; "
        "use a sound copy"
    )
    assert not list((tmp_path / "out").iterdir())
