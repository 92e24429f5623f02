"""Real Caffe in its own interpreter, asked one thing at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import PluginError, UsageError

OPTION, VARIABLE = "caffe-python", "PRUNUS_CAFFE_PYTHON"
_MEND = f"name the Python of your Caffe with --{OPTION} or {VARIABLE}, or use --trainer torch"


@attrs.frozen(eq=False)
class Caffe:
    """A running Caffe with one solver.

    Attributes:
        process: The interpreter.
        log: File with everything it says.
    """

    process: subprocess.Popen[str]
    log: Path

    def begin(self) -> dict[str, Any]:
        """The first answer: everything is read.

        Raises:
            UsageError: this Python has no Caffe.
            PluginError: Caffe refuses the files.
        """
        answer = self._answer()
        if "missing" in answer:
            python = self.process.args[0]  # type: ignore[index]
            raise UsageError(f"{python!s} cannot import caffe ({answer['missing']}); {_MEND}")
        return answer

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Give a command and wait for the answer.

        Raises:
            PluginError: Caffe ended; its own last words are quoted.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: the missing answer says so
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise PluginError(
                f"Caffe stopped ({_how(code)}): {_last_words(self.log)}; log: {self.log}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def interpreter(options: Mapping[str, str]) -> str:
    """The Python that imports the user's Caffe: option, environment, else the running one.

    Raises:
        UsageError: there is no such program.
    """
    named = options.get(OPTION) or os.environ.get(VARIABLE) or sys.executable
    python = shutil.which(named)
    if python is None:
        raise UsageError(f"{named}: no such program; {_MEND}")
    return python


@contextmanager
def running(python: str, job: Mapping[str, Any], log: Path) -> Iterator[Caffe]:
    """Start a training in the working directory, where the paths of the user's files begin."""
    script = Path(__file__).with_name("child.py")
    with log.open("w") as words:
        process = subprocess.Popen(
            [python, str(script), json.dumps(dict(job))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True,
        )  # fmt: skip
    try:
        yield Caffe(process, log)
    finally:
        process.kill()
        process.communicate()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _last_words(log: Path) -> str:
    """The fatal line of Caffe's log, else its last line that is not part of a stack trace."""
    lines = log.read_text(errors="replace").strip().splitlines()
    fatal = [line for line in lines if re.match(r"F\d+ ", line)]
    if fatal:
        return fatal[-1].partition("] ")[2]
    lines = [line for line in lines if not line.startswith((" ", "*** ", "\t"))]
    return lines[-1] if lines else "it said nothing"
