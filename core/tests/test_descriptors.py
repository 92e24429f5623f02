from __future__ import annotations

import pytest

from prunus.descriptors import Criterion, Format, NamedMetric, Policy, Trainer, kind_of


@pytest.mark.parametrize("name", ["L1", " l1", "l1 ", ""])
def test_names_are_lower_case(name):
    with pytest.raises(ValueError, match=f"^Criterion name {name!r} is not lower case$"):
        Criterion(name, "a test")


def test_policies_answer_one_of_two_hooks():
    assert {Policy("p", "", verb).verb for verb in ("analyze", "mask")} == {"analyze", "mask"}
    with pytest.raises(ValueError, match="^Policy 'p': verb 'prune': analyze or mask$"):
        Policy("p", "", "prune")


def test_criteria_score_one_of_two_units():
    with pytest.raises(ValueError, match="^Criterion 'c': unit 'row': channel or weight$"):
        Criterion("c", "", unit="row")


def test_descriptors_are_frozen_values():
    assert Criterion("l1", "x") == Criterion("l1", "x")
    assert hash(Trainer("t", "x", options={"a": "b"})) == hash(Trainer("t", "x"))
    first = Format("onnx", "x", lambda _: True)
    with pytest.raises(AttributeError):
        first.name = "other"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Worst", "NamedMetric name 'Worst' is not lower case"),
        ("a:b", "metric name 'a:b' has a colon, which marks a user's module:function"),
        ("top-3", "metric name 'top-3' means accuracy among the best 3 classes"),
    ],
)
def test_names_of_metrics(name, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        NamedMetric(name, "a test", lambda network: None)


def test_the_words_of_users():
    made = (
        Criterion("a", ""),
        Format("a", "", lambda path: False),
        NamedMetric("a", "", lambda network: None),
        Policy("a", "", "analyze"),
        Policy("a", "", "mask"),
        Trainer("a", ""),
    )
    assert [kind_of(one) for one in made] == [
        "criterion", "format", "metric", "analysis", "allocation", "trainer"
    ]  # fmt: skip
