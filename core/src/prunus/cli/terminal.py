"""Text for a terminal: nothing out of a file steers it, and any encoding can show it.

Everything the command line prints goes through `say`, or through a table of `render.new_table`.
"""

from __future__ import annotations

import codecs
import io
import re
import sys

import click

LIMIT = 300
"""Characters of a message. Values quoted from files may be longer."""

_SIGNS = {"×": "x", "…": "...", "±": "+-", "→": "->", "–": "-", "≤": "<=", "≥": ">=", "‖": "||"}
_HANDLER = "prunus-signs"


def printable(text: str) -> str:
    """Text with escapes instead of control, format and surrogate characters."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


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
    """Print one line."""
    click.echo(one_line(text), err=err)


def accept_any_text() -> None:
    """Let stdout and stderr replace signs that their encoding lacks."""
    codecs.register_error(_HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    text = "".join(_SIGNS.get(s) or s.encode("ascii", "backslashreplace").decode() for s in signs)
    return text, error.end
