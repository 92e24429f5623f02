"""Docstrings of Google's style as Markdown."""

from __future__ import annotations

import re
import textwrap

_LISTS = {"Args": "Arguments", "Raises": "Raises"}
_TEXTS = ("Returns", "When it is called", "Yields")
_HEADING = re.compile(rf"^({'|'.join((*_LISTS, *_TEXTS))}):$", re.M)
_ENTRY = re.compile(r"^([\w*]+(?:, [\w*]+)*): (.*)")
_LITERAL = re.compile(r"::\n\n((?:(?: {4}.*)?\n)+)")
_CODE = re.compile(r"(``.*?``|`[^`]*`|```.*?```)", re.S)


def markdown(text: str) -> str:
    """Paragraphs, then a list of arguments, errors and results each."""
    first, *sections = _HEADING.split(text.strip())
    parts = [_escaped(_LITERAL.sub(_fenced, f"{first.strip()}\n"))] if first.strip() else []
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        body = textwrap.dedent(body.strip("\n"))
        if body.strip() == "(none)":
            continue
        if name in _LISTS:
            parts.append(f"**{_LISTS[name]}**\n\n{_list(body)}")
        else:
            parts.append(f"**{name}**\n\n{_escaped(body)}\n")
    return "\n".join(parts)


def _list(body: str) -> str:
    entries = re.split(r"\n(?=\S)", body.strip())
    return "".join(f"- {_entry(entry)}\n" for entry in entries)


def _entry(text: str) -> str:
    """Name in code, its text on one line."""
    joined = " ".join(text.split())
    found = _ENTRY.match(joined)
    if found is None or found[1] == "Nothing":
        return _escaped(joined)
    names = ", ".join(f"`{name}`" for name in found[1].split(", "))
    return f"{names}: {_escaped(found[2])}"


def _fenced(found: re.Match[str]) -> str:
    return f":\n\n```\n{textwrap.dedent(found[1]).strip()}\n```\n"


def _escaped(text: str) -> str:
    """Stars and brackets that are no markup, outside of code."""
    pieces = _CODE.split(text)
    pieces[::2] = [re.sub(r"([*<])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)
