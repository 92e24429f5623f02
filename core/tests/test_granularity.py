from __future__ import annotations

import pytest

from prunus.errors import UsageError
from prunus.granularity import CHANNELS, Granularity, Pattern, granularity_of


@pytest.mark.parametrize("text", ["channel", "weight", "2:4", "1:4", "3:64"])
def test_a_granularity_is_its_text(text):
    assert str(granularity_of(text)) == text


def test_units_and_cost_have_the_words_of_users():
    assert (CHANNELS.units, CHANNELS.counted, CHANNELS.prefix) == ("channels", "MACs", "")
    two = granularity_of("2:4")
    assert two == Granularity("weight", Pattern(2, 4))
    assert (two.units, two.counted, two.prefix) == ("weights", "weights", "2of4_")


@pytest.mark.parametrize("text", ["", "filter", "4:4", "0:4", "2:65", "2:4:8", "-1:4"])
def test_other_texts_are_refused(text):
    with pytest.raises(UsageError) as caught:
        granularity_of(text)
    assert str(caught.value) == (
        f"granularity {text!r}: channel, weight, or a pattern N:M of single weights, such as 2:4"
    )
