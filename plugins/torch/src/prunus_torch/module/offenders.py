"""Which of many things break a trial, by halving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def offenders(
    items: Sequence[T], fault: Callable[[Sequence[T]], str | None]
) -> list[tuple[T, str]]:
    """Things that a trial fails with, and what it said of each.

    Args:
        items: All of them.
        fault: Tries some: what went wrong, ``None`` where nothing did.
    """
    said = fault(items)
    if said is None:
        return []
    if len(items) == 1:
        return [(items[0], said)]
    middle = len(items) // 2
    first, second = items[:middle], items[middle:]
    found = offenders(first, fault) + offenders(second, fault)
    return found or _clash(first, second, fault)


def _clash(
    good: Sequence[T], others: Sequence[T], fault: Callable[[Sequence[T]], str | None]
) -> list[tuple[T, str]]:
    """Those of the others that fail only beside the good ones."""
    found = []
    for item in others:
        said = fault([*good, item])
        if said is None:
            good = [*good, item]
        else:
            found.append((item, said))
    return found
