"""Text for a terminal: nothing out of a file steers it, and any encoding can show it.

Everything the command line prints goes through `say`, or through a table of `render.new_table`.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import shutil
import sys
import textwrap

import click

from prunus.printable import printable

LIMIT = 300
"""Characters of a message. Values quoted from files may be longer."""

_SIGNS = {"×": "x", "…": "...", "±": "+-", "→": "->", "–": "-", "≤": "<=", "≥": ">=", "‖": "||"}
_HANDLER = "prunus-signs"


def one_line(text: str, limit: int = LIMIT) -> str:
    """Text for one line of at most ``limit`` characters; the head, file names and the end stay."""
    line = printable(" ".join(text.split()))
    if len(line) > limit:
        line = re.sub(r"\S{81,}", lambda long: f"{long[0][:30]}…{long[0][-50:]}", line)
    if len(line) > limit:
        head = limit * 2 // 3
        line = f"{line[:head]}…{line[head + 1 - limit :]}"
    return line


def say(text: str, *, err: bool = False) -> None:
    """Print one line; a terminal too narrow for it gets several, broken between words."""
    line = one_line(text)
    if (sys.stderr if err else sys.stdout).isatty():
        width = shutil.get_terminal_size().columns
        line = "\n".join(
            textwrap.wrap(
                line,
                width,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    click.echo(line, err=err)


def accept_any_text() -> None:
    """Let stdout and stderr replace signs that their encoding lacks."""
    codecs.register_error(_HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def reader_left(error: BaseException) -> bool:
    """Whether a command ended because the reader of its output closed the pipe.

    A broken pipe to another process, of a plugin say, is something else.
    """
    return isinstance(error, BrokenPipeError) and any(
        _unread(stream) for stream in (sys.__stdout__, sys.__stderr__)
    )


def drop_unread() -> None:
    """Let go of text that nobody reads, which Python would complain of at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and _unread(stream):
            os.dup2(nowhere, stream.fileno())


def _unread(stream: io.TextIOBase | None) -> bool:
    if stream is None:
        return False
    if not hasattr(select, "poll"):  # Windows: the broken pipe alone has to do
        return True
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # a closed other end is told without being asked for
    return bool(poll.poll(0))


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    text = "".join(_SIGNS.get(s) or s.encode("ascii", "backslashreplace").decode() for s in signs)
    return text, error.end
