from __future__ import annotations

import pytest

from prunus.descriptors import Criterion, Format, Policy, Trainer


@pytest.mark.parametrize("name", ["L1", " l1", "l1 ", ""])
def test_names_are_lower_case(name):
    with pytest.raises(ValueError, match=f"^Criterion name {name!r} is not lower case$"):
        Criterion(name, "a test")


def test_policies_answer_one_of_two_hooks():
    assert {Policy("p", "", verb).verb for verb in ("analyze", "mask")} == {"analyze", "mask"}
    with pytest.raises(ValueError, match="verb"):
        Policy("p", "", "prune")


def test_descriptors_are_frozen_values():
    assert Criterion("l1", "x") == Criterion("l1", "x")
    assert hash(Trainer("t", "x", options={"a": "b"})) == hash(Trainer("t", "x"))
    first = Format("onnx", "x", lambda _: True)
    with pytest.raises(AttributeError):
        first.name = "other"
