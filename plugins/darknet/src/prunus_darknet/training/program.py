"""The user's own ``darknet`` program, run in a terminal of its own.

In a terminal it prints line by line, and it is hung up when prunus is killed. Format facts:
``train_detector`` in Darknet's ``examples/detector.c`` and ``train_classifier`` in
``examples/classifier.c`` for the lines they print.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from prunus.plugin import PluginError

OPTION = "darknet"
"""Trainer option that names the program."""

_PROGRESS = re.compile(r"\s*(\d+)(?:, [\d.]+)?: (\S+), (\S+) avg(?: loss)?, (\S+) rate,")
_IN_OWN_TERMINAL = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"
_PATIENCE = 0.2
"""Seconds without a line after which the caller is asked again."""


@attrs.frozen
class Line:
    """Contents of a line of progress.

    Attributes:
        iteration: Updates done.
        loss: Of the last batch.
        average: Smoothed loss, Darknet's own.
        rate: Learning rate.
    """

    iteration: int
    loss: float
    average: float
    rate: float


def parse_line(text: str) -> Line | None:
    """Read a line of progress; ``None`` for any other."""
    match = _PROGRESS.match(text)
    if match is None:
        return None
    try:
        return Line(int(match[1]), *(float(match[group]) for group in (2, 3, 4)))
    except ValueError:
        return None


def find_program(options: Mapping[str, str]) -> str:
    """Path of the program.

    Raises:
        PluginError: there is none.
    """
    name = options.get(OPTION, "darknet")
    found = shutil.which(name)
    if found is None:
        raise PluginError(
            f"trainer darknet: program '{name}' not found; install Darknet, name its program "
            "with --darknet, or use --trainer torch"
        )
    return str(Path(found).absolute())


class Program:
    """A running program.

    Attributes:
        said: The last line it printed that is not empty.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """Start it in a working directory.

        Raises:
            PluginError: the system has no terminals of the kind it wants.
        """
        self.said = ""
        if not hasattr(os, "openpty"):  # Windows
            raise PluginError(
                "trainer darknet: this system has no pseudo-terminals, and in a pipe darknet holds "
                "its lines back; use --trainer torch"
            )
        self._screen, terminal = os.openpty()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _IN_OWN_TERMINAL, *command],
                cwd=folder,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
            )
        finally:
            os.close(terminal)

    def lines(self) -> Iterator[str | None]:
        """Lines that it prints, until it ends; ``None`` if nothing comes for a moment."""
        rest = ""
        while (read := self._read()) != "":
            *whole, rest = (rest + (read or "")).split("\n")
            for line in whole:
                if line.strip():
                    self.said = line.strip()
                yield line
            if read is None:
                yield None
        self.said = rest.strip() or self.said

    def how(self) -> str:
        """How it ended."""
        code = self._process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Stop it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def _read(self) -> str | None:
        """Some text; ``None`` if there is none yet, empty at the end."""
        if not select.select([self._screen], [], [], _PATIENCE)[0]:
            return None
        try:
            return os.read(self._screen, 65536).decode("utf-8", "replace").replace("\r", "")
        except OSError:  # Linux says so when the last writer is gone
            return ""


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[Program]:
    """A program that does not outlive the block."""
    program = Program(command, folder)
    try:
        yield program
    finally:
        program.end()
