"""How far long work has come, told to whoever listens; nobody does unless asked.

The standard library's logging carries it: a record of the logger ``prunus`` has the work, parts
done and parts in all as its arguments, perhaps words about what is found so far; one without
arguments is a sentence to read first. The command line shows them; programs that use the public
functions get them with ``logging.getLogger("prunus").setLevel(logging.INFO)``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

LOGGER = logging.getLogger("prunus")

T = TypeVar("T")


def tell(work: str, done: int, total: int, state: str = "") -> None:
    """Say that parts of a work are done.

    Args:
        work: A noun: ``compensation``.
        done: Parts done.
        total: Parts in all.
        state: Words about what is found so far.
    """
    if state:
        LOGGER.info("%s: %d of %d, %s", work, done, total, state)
    else:
        LOGGER.info("%s: %d of %d", work, done, total)


def told(work: str, parts: Sequence[T]) -> Iterator[T]:
    """The parts one after another, each told when the next one is asked for."""
    return counted(work, parts, len(parts))


def counted(work: str, parts: Iterable[T], total: int) -> Iterator[T]:
    """The same for parts whose number is known otherwise."""
    tell(work, 0, total)
    for done, part in enumerate(parts, 1):
        yield part
        tell(work, done, total)


def announce(sentence: str) -> None:
    """Tell something that is worth knowing before long work begins."""
    LOGGER.info(sentence)


def duration(seconds: float) -> str:
    """Rounded to two places of the largest unit: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
