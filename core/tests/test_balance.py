"""One notion of feasible: closed form, solver and an enumeration of all choices agree."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from prunus.balance import Balance
from prunus.groups import Group, Member, Multiple
from prunus.selection import choose_units, feasible_counts, is_feasible

quick = settings(max_examples=25, deadline=None, derandomize=True)


def group(size, rows=(), multiples=()):
    member = Member("w", "filter", (0,), np.arange(size)[:, None])
    return Group("g", ("g",), (member,), tuple(rows), multiples=tuple(multiples))


def satisfied(found, keep):
    balanced = all(len(set((rows @ keep).tolist())) == 1 and rows[0] @ keep for rows in found.rows)
    return balanced and all((m.counts @ ~keep) % m.of == 0 for m in found.multiples)


def every_choice(found, present):
    """Number of units -> choices of so many that satisfy all constraints."""
    units = np.flatnonzero(present)
    choices = {}
    for number in range(1, len(units) + 1):
        for chosen in combinations(units, number):
            keep = np.isin(np.arange(found.size), chosen)
            assert satisfied(found, keep) == is_feasible(found, keep)
            if satisfied(found, keep):
                choices.setdefault(number, []).append(keep)
    return choices


@st.composite
def constrained(draw):
    """Groups of up to eight units under up to three constraints that the whole satisfies."""
    size = draw(st.sampled_from((4, 6, 8)))
    rows, multiples = [], []
    for kind in draw(st.lists(st.sampled_from(("parts", "uneven", "multiple")), max_size=3)):
        if kind == "multiple":
            counts = np.array(draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
            multiples.append(Multiple(counts, draw(st.sampled_from((2, 3, 4)))))
            continue
        order = np.array(draw(st.permutations(range(size))))
        counts = np.zeros((2, size), np.int64)
        counts[np.arange(size) % 2, order] = 1
        if kind == "uneven":
            counts[:, order[:2]] *= 2
        rows.append(counts)
    return group(size, rows, multiples)


@quick
@given(constrained(), st.integers(0, 2**16))
def test_counts_and_choices_are_those_of_an_enumeration(found, seed):
    scores = np.random.default_rng(seed).random(found.size)
    present = np.ones(found.size, bool)
    for _ in range(2):  # the second time some units are gone
        choices = every_choice(found, present)
        counts = feasible_counts(found, present)
        assert sorted(counts.tolist()) == sorted(choices)
        for count in range(1, int(present.sum()) + 1):
            keep = choose_units(found, scores, count, present)
            assert keep.sum() == min(number for number in choices if number >= count)
            assert satisfied(found, keep)
            assert is_feasible(found, keep)
            assert (keep <= present).all()
        present = choose_units(found, scores, int(counts[len(counts) // 2]), present)


@quick
@given(st.integers(0, 2**16), st.sampled_from([(2, 3), (2, 2), (4, 3)]))
def test_two_families_of_rows_need_no_trial(seed, shape):
    """What the closed form says of them, the solver finds."""
    draw = np.random.default_rng(seed)
    size = 12
    rows = [np.eye(r, dtype=np.int64)[:, draw.permutation(size) % r] for r in shape]
    balance = Balance.of(group(size, rows))
    assert balance.regular
    order = draw.permutation(size)
    for number in range(1, size + 1):
        found = balance._solved(order.astype(float), number, number)
        assert (found is None) == bool((size - number) % balance.step)


def test_the_best_choice_is_the_best_of_all():
    found = group(6, [np.repeat(np.eye(2, dtype=np.int64), 3, axis=1)])
    scores = np.array([9.0, 8, 7, 1, 2, 3])
    best = max(every_choice(found, np.ones(6, bool))[4], key=lambda keep: scores @ keep)
    assert choose_units(found, scores, 4).tolist() == best.tolist()


def test_gone_units_do_not_come_back_to_balance_rows():
    found = group(6, [np.repeat(np.eye(2, dtype=np.int64), 3, axis=1)])
    present = np.array([True, True, False, True, False, True])
    assert feasible_counts(found, present).tolist() == [4, 2]
    keep = choose_units(found, np.array([1.0, 2, 9, 1, 9, 2]), 1, present)
    assert keep.tolist() == [False, True, False, False, False, True]


@pytest.mark.parametrize(
    ("of", "counts"), [(4, [8, 4]), (3, [8, 5, 2]), (1, list(range(8, 0, -1)))]
)
def test_whole_multiples_go(of, counts):
    found = group(8, multiples=[Multiple(np.ones(8, np.int64), of)])
    assert feasible_counts(found).tolist() == counts


def test_several_channels_in_a_unit_count_together():
    found = group(4, multiples=[Multiple(np.full(4, 2), 4)])
    assert feasible_counts(found).tolist() == [4, 2]


def test_uneven_units_are_looked_for_at_most_64_times():
    counts = np.ones((2, 300), np.int64)
    counts[0] = 2
    counts[1, 150:] = 3
    found = feasible_counts(group(300, [counts]))
    assert 32 <= len(found) <= 64
