"""Conformance of formats of text: a diff of what is written shows only numbers that changed."""

from __future__ import annotations

import re
import tempfile
import unittest
from itertools import zip_longest
from pathlib import Path

from prunus.network import Source
from prunus.testing.subject import Subject, pruned

_NUMBER = re.compile(
    r'"(?:[^"\\\n]|\\.)*\\[0-7x](?:[^"\\\n]|\\.)*"'  # weights as a string of escaped bytes
    r"|[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
)


def check_text(subject: Subject, source: Source) -> None:
    """Both stages keep every line of the model file, comments and unknown keys too.

    Only numbers may change.

    Raises:
        unittest.SkipTest: the model file is no text.
    """
    before = _skeleton(source.model)
    if before is None:
        raise unittest.SkipTest(f"{source.model.name} is no text file")
    cut = pruned(subject.load(source), source.model.name, 0.5, 0)
    for stage in ("masked", "compact"):
        directory = Path(tempfile.mkdtemp(dir=subject.directory))
        path = subject.write(cut.masked, cut.compact, stage, directory).model
        after = _skeleton(path)
        assert after is not None, f"{stage}: {path.name} is no text file, {source.model.name} is"
        for number, (old, new) in enumerate(zip_longest(before, after), 1):
            assert old == new, (
                f"{stage}: line {number} of {source.model.name} reads {_shown(old)} without its "
                f"numbers, in the written {path.name} it reads {_shown(new)}; change the numbers "
                "in the text that was read"
            )


def _skeleton(path: Path) -> list[str] | None:
    """Lines with their numbers left out; None where the file is no text."""
    if not path.is_file():
        return None
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else _NUMBER.sub("#", text).split("\n")


def _shown(line: str | None) -> str:
    return "nothing" if line is None else repr(line)
