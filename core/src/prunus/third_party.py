"""Errors of code that is not prunus's own, as one line that names the plugin and its distribution.

An error that a plugin raises on purpose is a `PrunusError`; it passes as it is, and so do errors of
the operating system and too little memory, which no plugin can help. Everything else is a defect of
the plugin.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

import attrs

from prunus.errors import PluginCrashError, PluginError, PrunusError

_DAMAGED = (
    UnicodeError,
    RecursionError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    struct.error,
)
"""Decoders' own words for a file that is not whole; formats name the file where they can."""

_DAMAGED_NAMES = frozenset({"DecodeError", "SerdeError"})
"""The same of protobuf and onnx-ir, which help and version do without."""


@attrs.frozen
class OfCaller:
    """A callback of the user's that third-party code calls: its errors pass as the user's own.

    Attributes:
        function: The callback.
    """

    function: Callable[..., None]

    def __call__(self, *arguments: Any) -> None:
        """Call it; `is_defect` knows errors by this frame in their traceback."""
        self.function(*arguments)


def of_caller(function: Callable[..., None]) -> OfCaller:
    """Mark a callback of the user's, once."""
    return function if isinstance(function, OfCaller) else OfCaller(function)


def is_defect(error: BaseException) -> bool:
    """Whether a plugin that lets this error out has a defect."""
    if isinstance(error, OSError) and error.errno is not None:
        return False  # the system's: a full disk, say
    if isinstance(error, PrunusError | MemoryError):
        return False
    return all(frame.f_code is not _OF_CALLER for frame, _ in walk_tb(error.__traceback__))


_OF_CALLER = OfCaller.__call__.__code__


def is_reader_defect(error: BaseException) -> bool:
    """The same of code that reads files of the user's, which may be damaged."""
    return is_defect(error) and not is_damage(error)


def is_no_refusal(error: BaseException) -> bool:
    """The same of code that looks whether a file is its own, and so must bear any file."""
    return not isinstance(error, PrunusError | MemoryError)


@contextmanager
def contained(
    owner: str, part: str, blamed: Callable[[BaseException], bool] = is_defect
) -> Iterator[None]:
    """Turn a defect of third-party code inside the block into a `PluginCrashError`.

    Args:
        owner: Whose code it is: ``metric 'heat' of acme 1.0``.
        part: Hook, method or callable: ``observe``.
        blamed: Whether an error is a defect of this code.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if not blamed(error):
            raise
        raise crash(owner, part, error) from error


def is_damage(error: BaseException) -> bool:
    """Whether a decoder says with this error that a file is not whole."""
    if isinstance(error, ValueError) and names_nul(error):
        return True
    return isinstance(error, _DAMAGED) or type(error).__name__ in _DAMAGED_NAMES


def names_nul(error: ValueError) -> bool:
    """Whether Python refused a path with a NUL character in it."""
    return "embedded null" in str(error)


def crash(owner: str, part: str, error: BaseException) -> PluginCrashError:
    """The line for a defect: owner, part, type and text of the error."""
    said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return PluginCrashError(
        f"{owner} failed in {part}: {said}; see --verbose, and report it to its authors"
    )


def wrong_answer(owner: str, part: str, answer: str, expected: str) -> PluginError:
    """The line for an answer that cannot be used, as `shown` tells it."""
    return PluginError(f"{owner} gave no usable answer to {part}: {answer} instead of {expected}")


def shown(answer: object) -> str:
    """An answer as the message tells it: type, then the value or the shape."""
    if answer is None:
        return "it returned None"
    kind = type(answer).__name__
    shape = getattr(answer, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{kind} of shape {shape} and type {getattr(answer, 'dtype', 'unknown')}"
    text = " ".join(repr(answer).split())
    return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"
