from __future__ import annotations

import numpy as np

from prunus.report.answers import changed_classes, confusion_of


def test_rows_are_the_truth():
    labels, before, after = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), np.array([0, 0, 2, 2])
    found = confusion_of("label", labels, before, after)
    assert [title for title, _ in found.tables] == ["before", "after"]
    assert [[cell.count for cell in row] for row in found.before] == [
        [1, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]
    assert [[cell.count for cell in row] for row in found.after] == [
        [2, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
    ]
    assert [cell.right for cell in found.after[1]] == [False, True, False]
    assert [cell.step for cell in found.before[0]] == [3, 3, 0]


def test_against_the_original_there_is_one_table():
    answers = np.array([0, 1])
    found = confusion_of("original network's answer", answers, None, answers)
    assert [title for title, _ in found.tables] == ["after"]


def test_the_most_damaged_classes_come_first():
    labels = np.array([0, 0, 1, 1, 2, 2])
    before, after = np.array([0, 0, 1, 1, 0, 2]), np.array([1, 1, 1, 0, 2, 2])
    found = changed_classes("label", labels, before, after, 30)
    assert [(c.number, c.count, c.before, c.after) for c in found.changed] == [
        (0, 2, 2, 0), (1, 2, 2, 1), (2, 2, 1, 2),
    ]  # fmt: skip


def test_of_many_changed_classes_both_ends_are_listed():
    labels = np.arange(40)
    found = changed_classes("label", labels, labels, np.roll(labels, 1), 40)
    assert len(found.changed) == 12
