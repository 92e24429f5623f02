from __future__ import annotations

from hypothesis import given, strategies as st

from prunus.report.layout import arranged


def test_a_line_stays_a_line():
    found = arranged([(), (0,), (1,)])
    assert found.columns == (0, 1, 2)
    assert found.lanes == (0, 0, 0)
    assert found.links == {}


def test_a_residual_link_passes_above():
    found = arranged([(), (0,), (1,), (0, 2)])
    assert found.columns == (0, 1, 2, 3)
    assert found.lanes == (0, 0, 0, 0)
    assert found.links == {(0, 3): -1}


def test_nested_links_do_not_cross():
    found = arranged([(), (0,), (1,), (1, 2), (3,), (0, 4)])
    assert found.links == {(0, 5): -2, (1, 3): -1}


def test_a_shorter_branch_stands_below_and_stays_in_its_lane():
    # 0 - 1 - 2 - 4 with the branch 0 - 3 - 4
    found = arranged([(), (0,), (1,), (0,), (2, 3)])
    assert found.lanes == (0, 0, 0, 1, 0)
    assert found.links == {(3, 4): 1}


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    return [
        tuple(sorted(draw(st.sets(st.integers(0, part - 1), max_size=3)))) if part else ()
        for part in range(count)
    ]


@given(graphs())
def test_no_two_parts_and_links_share_a_place(sources):
    found = arranged(sources)
    taken = [(column, lane) for column, lane in zip(found.columns, found.lanes, strict=True)]
    for (source, target), lane in found.links.items():
        taken += [(c, lane) for c in range(found.columns[source] + 1, found.columns[target])]
    assert len(taken) == len(set(taken))
    for target, read in enumerate(sources):
        for source in read:
            assert found.columns[source] < found.columns[target]
            passes = found.columns[target] - found.columns[source] > 1
            assert passes == ((source, target) in found.links)
