"""Answers of a classifier before and after, class by class."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.report.palette import step_of

MOST = 20
"""Classes of which every pair is shown."""

_LISTED = 12
"""Classes that are listed where there are more."""

Numbers = NDArray[np.int64]


@attrs.frozen
class Cell:
    """How often one class was answered for another, and its colour (0 to 5)."""

    count: int
    step: int
    right: bool


@attrs.frozen
class Confusion:
    """Two tables of answers.

    Attributes:
        truth: What the rows are: ``label``, or the original network's answer.
        before, after: Row by row: how often each class was answered.
        tables: Titles of the two.
    """

    truth: str
    before: tuple[tuple[Cell, ...], ...]
    after: tuple[tuple[Cell, ...], ...]

    @property
    def tables(self) -> tuple[tuple[str, tuple[tuple[Cell, ...], ...]], ...]:
        """The tables with their titles; where the truth is the original's, only one."""
        if not self.before:
            return (("after", self.after),)
        return (("before", self.before), ("after", self.after))


@attrs.frozen
class ClassChange:
    """Right answers for one class."""

    number: int
    count: int
    before: int
    after: int


@attrs.frozen
class Classes:
    """The classes whose number of right answers changed most.

    Attributes:
        truth: As of `Confusion`.
        changed: The most damaged first.
        total: Number of classes.
    """

    truth: str
    changed: tuple[ClassChange, ...]
    total: int


def confusion_of(truth: str, labels: Numbers, before: Numbers | None, after: Numbers) -> Confusion:
    """Tables of a classifier with few classes.

    Args:
        truth: Name of the labels.
        labels: ``(N,)`` classes.
        before: ``(N,)`` answers of the original network; ``None`` where they are the labels.
        after: ``(N,)`` answers of the smaller one.
    """
    count = 1 + max(int(part.max()) for part in (labels, before, after) if part is not None)
    first = () if before is None else _table(labels, before, count)
    return Confusion(truth, first, _table(labels, after, count))


def changed_classes(
    truth: str, labels: Numbers, before: Numbers | None, after: Numbers, total: int
) -> Classes:
    """As `confusion_of`, of many classes: those that changed most."""
    first = labels if before is None else before
    counts = np.bincount(labels, minlength=total)
    old, new = (np.bincount(labels[part == labels], minlength=total) for part in (first, after))
    order = np.argsort(new - old, kind="stable")
    chosen = [int(c) for c in order if new[c] != old[c]]
    if len(chosen) > _LISTED:
        half = _LISTED // 2
        chosen = chosen[:half] + chosen[-half:]
    rows = tuple(ClassChange(c, int(counts[c]), int(old[c]), int(new[c])) for c in chosen)
    return Classes(truth, rows, total)


def _table(labels: Numbers, answers: Numbers, count: int) -> tuple[tuple[Cell, ...], ...]:
    found = np.zeros((count, count), np.int64)
    np.add.at(found, (labels, answers), 1)
    shares = found / np.maximum(found.sum(1, keepdims=True), 1)
    return tuple(
        tuple(
            Cell(int(found[row, column]), step_of(float(shares[row, column])), row == column)
            for column in range(count)
        )
        for row in range(count)
    )
