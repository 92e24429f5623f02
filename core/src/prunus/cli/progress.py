"""Progress on stderr: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from prunus.cli.terminal import say
from prunus.printable import printable
from prunus.progress import LOGGER, duration

if TYPE_CHECKING:
    from prunus import training

INTERVAL = 10.0
"""Seconds between two lines where there is no terminal."""


class Display(Protocol):
    """Shows how far works have come."""

    def show(self, work: str, done: int, total: int, state: str) -> None:
        """A work has come so far; ``state`` are words beside it."""


@attrs.define(eq=False)
class Lines:
    """The newest work as a line of text.

    Attributes:
        title: The whole, for times at which no work is told.
        clock: Seconds.
    """

    title: str
    clock: Callable[[], float] = time.monotonic
    _start: float = attrs.field(init=False)
    _works: dict[str, _Work] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._start = self.clock()

    def show(self, work: str, done: int, total: int, state: str) -> None:
        """Note it; a work that is done is forgotten."""
        if done >= total:
            self._works.pop(work, None)
            return
        known = self._works.pop(work, None)  # the newest is the last one
        begun, first = (self.clock(), done) if known is None else (known.begun, known.first)
        self._works[work] = _Work(begun, first, done, total, state)

    def line(self) -> str:
        """How far the newest work has come, or how long everything takes already."""
        now = self.clock()
        if not self._works:
            return f"{self.title}: {duration(now - self._start)}"
        name, work = list(self._works.items())[-1]
        parts = [f"{name}: {work.done:,} of {work.total:,}", work.state]
        if work.done > work.first:
            pace = (now - work.begun) / (work.done - work.first)
            parts.append(f"{duration(pace * (work.total - work.done))} left")
        return ", ".join(part for part in parts if part)


@attrs.frozen
class _Work:
    """A work under way: when it was first told of, what was done then and now."""

    begun: float
    first: int
    done: int
    total: int
    state: str


class Bars:
    """A bar for the newest work."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def show(self, work: str, done: int, total: int, state: str) -> None:
        """Move its bar; one that is done goes."""
        task = self._tasks.get(work)
        if done >= total:
            if task is not None:
                self._progress.remove_task(self._tasks.pop(work))
            return
        if task is None:
            task = self._tasks[work] = self._progress.add_task(printable(work), state="")
        self._progress.update(task, completed=done, total=total, state=state)


class _Handler(logging.Handler):
    """Shows the records of `prunus.progress`."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        """A work has come so far, or there is something to know before it begins."""
        if not isinstance(record.args, tuple) or not record.args:
            say(f"note: {record.getMessage()}", err=True)
            return
        work, done, total, *state = record.args
        assert isinstance(done, int)
        assert isinstance(total, int)
        self._display.show(str(work), done, total, " ".join(map(str, state)))


@contextmanager
def shown(title: str) -> Iterator[Display]:
    """Show how far works have come that `prunus.progress` tells of; ``title`` names the whole."""
    with _display(title) as display:
        handler, level, passes = _Handler(display), LOGGER.level, LOGGER.propagate
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
        try:
            yield display
        finally:
            LOGGER.removeHandler(handler)
            LOGGER.setLevel(level)
            LOGGER.propagate = passes


@contextmanager
def counting(title: str) -> Iterator[Callable[[int, int], None]]:
    """Progress of work whose parts are counted: ``report(done, total)``."""
    with shown(title) as display:
        yield lambda done, total: display.show(title, done, total, "")


@contextmanager
def training_progress(title: str = "finetune") -> Iterator[Callable[[training.Progress], None]]:
    """Progress of training: loss, learning rate, metric, time left."""
    with shown(title) as display:

        def report(now: training.Progress) -> None:
            state = f"loss {now.loss:.4f}, lr {now.learning_rate:.2g}"
            if now.metric is not None:
                state += f", metric {now.metric.value:.4f}"
            display.show("training", now.iteration, now.iterations, state)

        yield report


def every(interval: float, line: Callable[[], str], stop: threading.Event) -> None:
    """Print a line on stderr every so many seconds, until told to stop."""
    while not stop.wait(interval):
        say(line(), err=True)


@contextmanager
def _display(title: str) -> Iterator[Display]:
    if not sys.stderr.isatty():
        lines, stop = Lines(title), threading.Event()
        thread = threading.Thread(target=every, args=(INTERVAL, lines.line, stop), daemon=True)
        thread.start()
        try:
            yield lines
        finally:
            stop.set()
            thread.join()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from prunus.cli.tables import PlainConsole

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
        console=PlainConsole(stderr=True),
        transient=True,
    ) as progress:
        yield Bars(progress)
