"""Parts of lowering that need no export: positions, halving, reshapes of smaller data."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from prunus.plugin import UsageError
from prunus_torch.module.example import example_of
from prunus_torch.module.offenders import offenders
from prunus_torch.module.program import regrouped
from prunus_torch.module.views import places_of


def test_shared_tensors_have_one_place() -> None:
    weight = torch.zeros(2, 3)
    places = places_of({"a": weight, "b": torch.zeros(4), "c": weight})
    assert places.starts == {"a": 0, "b": 6, "c": 0}
    assert places.whole("b").tolist() == [6, 7, 8, 9]
    assert places.touched(places.whole("b")) == [6]


@pytest.mark.parametrize(
    ("before", "made", "after", "expected"),
    [
        ((2, 8, 4, 4), (2, 128), (2, 5, 4, 4), (2, 80)),
        ((2, 8, 16), (2, 8, 4, 4), (2, 5, 16), (2, 5, 4, 4)),
        ((2, 7, 24), (2, 7, 3, 8), (2, 7, 12), (2, 7, 3, 4)),
        ((2, 12), (2, 3, 4), (2, 6), (2, 3, 2)),
        ((2, 6, 1, 1), (2, 6), (2, 3, 1, 1), (2, 3)),
        ((2, 6), (2, 6), (2, 6), (2, 6)),
    ],
)
def test_reshapes_follow_smaller_data(
    before: tuple[int, ...],
    made: tuple[int, ...],
    after: tuple[int, ...],
    expected: tuple[int, ...],
) -> None:
    assert regrouped(before, made, after) == expected


def test_halving_finds_what_fails_alone() -> None:
    tried = []

    def fault(items: Sequence[int]) -> str | None:
        tried.append(len(items))
        bad = [item for item in items if item in (3, 11)]
        return f"bad {bad[0]}" if bad else None

    assert offenders(range(16), fault) == [(3, "bad 3"), (11, "bad 11")]
    assert len(tried) < 20


def test_halving_finds_what_fails_together() -> None:
    def fault(items: Sequence[int]) -> str | None:
        return "both" if {1, 6} <= set(items) else None

    assert offenders(range(8), fault) == [(6, "both")]


def test_one_sample_becomes_two_and_more_become_two() -> None:
    example = example_of({"x": torch.zeros(1, 3), "rest": [torch.zeros(5, 2)], "flag": True})
    assert [tuple(tensor.shape) for tensor in example.tensors()] == [(2, 3), (2, 2)]
    assert example.kwargs["flag"] is True
    again = example.replaced([tensor.numpy() + 1 for tensor in example.tensors()])
    assert float(again.tensors()[0].sum()) == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "example_inputs: holds no tensor; give what the module is called with: a tensor, a "
            "tuple of them, or a dict of arguments by name"),
        (torch.tensor(1.0), "example_inputs: a tensor has no axis for samples; give each tensor a "
            "first axis that runs over samples"),
    ],
)  # fmt: skip
def test_inputs_that_are_none(given: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        example_of(given)
    assert str(caught.value) == message
