"""Ctrl-C while training: it waits until the current update is whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ONE = 1.0
"""Seconds within which signals are one Ctrl-C: a launcher passes on what the terminal sent too."""


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Collect the first Ctrl-C; a second one acts at once.

    Yields:
        A function that tells whether Ctrl-C was pressed.
    """
    pressed: float | None = None

    def note(_: int, __: FrameType | None) -> None:
        nonlocal pressed
        now = time.monotonic()
        if pressed is not None and now - pressed > _ONE:
            raise KeyboardInterrupt
        pressed = now if pressed is None else pressed

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # Python delivers signals to the main thread only
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed is not None
    finally:
        signal.signal(signal.SIGINT, before)
