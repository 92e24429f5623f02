"""The container: native files of a network in one file (docs/reference/container.md).

Magic and version, lengths and digest, a header, the streams. Tensors that share values are cut out
of the native files and coded on their own; all other bytes are compressed as they are, so that the
files come back bit by bit, whatever their format.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Annotated

import attrs
import msgspec
from msgspec import Meta

from prunus.compression import tensors
from prunus.compression.locate import Found, locate
from prunus.compression.shared import Shared
from prunus.compression.streams import (
    Bytes,
    DamageError,
    Decoding,
    coded_rest,
    decoded,
    possible,
)
from prunus.compression.tensors import Count, TensorHead
from prunus.errors import ModelError
from prunus.memory import check_room
from prunus.network import Written
from prunus.regular_files import read_regular

MAGIC = b"\x89PRUNUS\n"
VERSION = 1

_FIXED = struct.Struct("<8sHII32s")
"""Magic, version, length of the coded header, its length before, SHA-256 of all that follows."""

_LARGEST_HEADER = 1 << 24
"""Bytes; that of a network of a thousand tensors has some hundred thousand. Decoded it takes some
ten times as much memory."""

REST = -1
"""Instead of the number of a tensor: bytes of the compressed rest."""

Name = Annotated[str, Meta(min_length=1, max_length=1000)]


@attrs.frozen
class FileHead:
    """One native file.

    Attributes:
        name: Path in the directory of the files, with ``/``.
        digest: SHA-256, hex.
        pieces: Number of a tensor and its bytes, or -1 and a number of bytes of the rest.
    """

    name: Name
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    pieces: tuple[tuple[Annotated[int, Meta(ge=-1, le=2**24)], Count], ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(size for _, size in self.pieces)


@attrs.frozen
class Header:
    """Contents of a container.

    Attributes:
        format: Name of the format of the files.
        model, weights: What to load, among the files; some formats name weights by the common
            beginning of several files.
        files: The native files.
        tensors: Tensors cut out of them, in the order of their streams.
        rest: Length of the stream that holds all other bytes; it is the first one.
    """

    format: Name
    model: Name
    weights: Name | None
    files: tuple[FileHead, ...]
    tensors: tuple[TensorHead, ...]
    rest: Count


@attrs.frozen(eq=False)
class Container:
    """A container whose header was read and checked.

    Attributes:
        source: The file, for messages.
        header: Its header.
        body: All streams.
    """

    source: str
    header: Header
    body: memoryview


def pack(
    directory: Path,
    files: Sequence[Path],
    written: Written,
    format: str,
    shared: Mapping[str, Shared],
) -> tuple[bytes, Header]:
    """A container of native files, and its header.

    Args:
        directory: Where the files are.
        files: The files, in it.
        written: What to load.
        format: Name of their format.
        shared: Name of a tensor -> its shared form; those found in no file stay in the rest.
    """
    heads: list[FileHead] = []
    entries: list[TensorHead] = []
    streams: list[bytes] = []
    rest: list[memoryview] = []
    with ExitStack() as opened:
        for path in files:
            data = _mapped(path, opened)
            view = opened.enter_context(memoryview(data))
            pieces: list[tuple[int, int]] = []
            for start, stop, found in _cuts(data, shared):
                part = opened.enter_context(view[start:stop])
                if found is None:
                    rest.append(part)
                    pieces.append((REST, stop - start))
                    continue
                one = shared[found.name]
                ordered = Shared(one.codebook, one.codes.transpose(found.order))
                entry, codes = tensors.encode(found.name, ordered)
                pieces.append((len(entries), stop - start))
                entries.append(entry)
                streams += codes
            heads.append(FileHead(_inside(path, directory), _digest(path), tuple(pieces)))
        first = coded_rest(rest)
        rest.clear()
    header = Header(
        format,
        _inside(written.model, directory),
        None if written.weights is None else _inside(written.weights, directory),
        tuple(heads),
        tuple(entries),
        len(first),
    )
    return _joined(header, [first, *streams]), header


def opened_container(path: Path) -> Container:
    """A container file, read and checked.

    Raises:
        ModelError: it is missing, no container, damaged, or of a later version.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot read it ({error.strerror})") from error
    return read_container(data, str(path))


def read_container(data: bytes, source: str) -> Container:
    """A container in memory, checked.

    Raises:
        ModelError: as `opened_container`.
    """
    if data[:8] != MAGIC:
        raise ModelError(f"{source}: no container of 'prunus compress'")
    if len(data) < _FIXED.size:
        raise _damaged(source, "ends in its first bytes")
    _, version, coded_size, size, digest = _FIXED.unpack_from(data)
    if version != VERSION:
        raise ModelError(
            f"{source}: a container of version {version}; this prunus reads version {VERSION}, "
            "install a later one"
        )
    body = memoryview(data)[_FIXED.size :]
    if hashlib.sha256(body).digest() != digest:
        raise _damaged(source, "its digest is not that of its contents")
    try:
        if size > _LARGEST_HEADER:
            raise DamageError("states an impossible length of its header")
        header = msgspec.json.decode(decoded(body[:coded_size], size), type=Header)
        _check(header, len(body) - coded_size, source)
    except DamageError as error:
        raise _damaged(source, str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(source, f"its header is wrong ({error})".replace("`", "")) from error
    return Container(source, header, body[coded_size:])


def contents(container: Container) -> Iterator[tuple[FileHead, Iterator[Bytes]]]:
    """Every file and its bytes in pieces; read one file to its end before the next.

    Raises:
        ModelError: a stream is damaged, or the bytes are not those that were packed.
    """
    header = container.header
    rest = Decoding(container.body[: header.rest])
    starts = [header.rest]
    for tensor in header.tensors:
        starts.append(starts[-1] + sum(tensor.streams))
    for file in header.files:
        yield file, _bytes_of(container, file, rest, starts)
    try:
        for _ in rest.read(0, last=True):
            pass
    except DamageError as error:
        raise _damaged(container.source, f"the rest {error}") from error


def _bytes_of(
    container: Container, file: FileHead, rest: Decoding, starts: list[int]
) -> Iterator[Bytes]:
    digest = hashlib.sha256()
    for number, size in file.pieces:
        part = f"the rest of '{file.name}'"
        try:
            if number == REST:
                for piece in rest.read(size):
                    digest.update(piece)
                    yield piece
                continue
            head = container.header.tensors[number]
            part = f"tensor '{head.name}'"
            at, streams = starts[number], list[Bytes]()
            for length in head.streams:
                streams.append(container.body[at : at + length])
                at += length
            numbers = tensors.decode(head, streams).data.cast("B")
        except DamageError as error:
            raise _damaged(container.source, f"{part} {error}") from error
        digest.update(numbers)
        yield numbers
    if digest.hexdigest() != file.digest:
        raise _damaged(container.source, f"'{file.name}' comes out with other bytes")


def _cuts(
    data: mmap.mmap | bytes, shared: Mapping[str, Shared]
) -> Iterator[tuple[int, int, Found | None]]:
    """A file from its first to its last byte: tensors, and what is between them."""
    at = 0
    found = locate(data, shared.items())
    for place in found:
        if place.start > at:
            yield at, place.start, None
        yield place.start, place.stop, place
        at = place.stop
    if at < len(data):
        yield at, len(data), None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: Path, opened: ExitStack) -> mmap.mmap | bytes:
    if not path.stat().st_size:
        return b""  # nothing can be mapped
    file = opened.enter_context(path.open("rb"))
    return opened.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _joined(header: Header, streams: Sequence[bytes]) -> bytes:
    plain = msgspec.json.encode(header)
    code = coded_rest([plain])
    body = b"".join([code, *streams])
    return _FIXED.pack(MAGIC, VERSION, len(code), len(plain), hashlib.sha256(body).digest()) + body


def _inside(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()


def _check(header: Header, length: int, source: str) -> None:
    """Refuse, before anything is allocated or written, what no encoder can have written."""
    names = [file.name for file in header.files]
    for name in (*names, header.model, *(() if header.weights is None else (header.weights,))):
        if not _harmless(name):
            raise DamageError(f"names a file outside of its directory ({name!r})")
    if len({name.casefold() for name in names}) != len(names):
        raise DamageError("names a file twice")
    if header.rest + sum(sum(tensor.streams) for tensor in header.tensors) != length:
        raise DamageError("has streams of another length than its header says")
    for tensor in header.tensors:
        check_room(tensor.nbytes + tensor.size, f"{source}: tensor '{tensor.name}'", ModelError)
        try:
            tensors.check(tensor)
        except DamageError as error:
            raise DamageError(f"tensor '{tensor.name}' {error}") from error
    pieces = [piece for file in header.files for piece in file.pieces]
    for number, size in pieces:
        if number >= len(header.tensors) or (
            number != REST and size != header.tensors[number].nbytes
        ):
            raise DamageError("has a file of a tensor that it does not hold")
    if not possible(sum(size for number, size in pieces if number == REST), header.rest):
        raise DamageError("states an impossible length of its files")


_FORBIDDEN = frozenset('\\:*?"<>|') | {chr(code) for code in range(32)}
"""Characters that lead out of a directory on some system, or that no file can have there."""


def _harmless(name: str) -> bool:
    """Whether a name stays in the directory it is put in, on every system."""
    parts = PurePosixPath(name).parts
    return (
        not _FORBIDDEN & set(name)
        and name == "/".join(parts)
        and not any(part in ("/", "..", ".") for part in parts)
    )


def _damaged(source: str, why: str) -> ModelError:
    return ModelError(f"{source}: damaged: {why}; use a sound copy")
