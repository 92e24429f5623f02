from __future__ import annotations

import pytest

from prunus.errors import PlanError, UsageError
from prunus.granularity import CHANNELS, Granularity, Pattern, granularity_of
from prunus.prunable import prunable
from prunus.testing.nets import NETS, as_network


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


def test_a_pattern_that_no_layer_can_have():
    network = as_network(NETS["resnet_projection"](0))
    with pytest.raises(PlanError) as caught:
        prunable(network, granularity=granularity_of("3:61"))
    assert str(caught.value).startswith("granularity 3:61: no layer can have it; ")
    assert str(caught.value).endswith(" inputs are no multiple of 61")
