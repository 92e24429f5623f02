from __future__ import annotations

import pytest

from prunus.graph.batches import MOST, samples_at_once, samples_within
from prunus.testing.nets.builder import Builder


@pytest.mark.parametrize(
    ("side", "kept", "samples"),
    [
        (8, ["image"], MOST),  # small: as many as bring speed
        (512, [], 5),  # 3 x 4 MB inside, of 64 MB
        (512, ["image"], 4),  # and 4 MB of what is kept
        (8192, ["image"], 1),  # one sample runs however large it is
    ],
)
def test_activations_inside_a_run_and_those_kept_share_a_bound(side, kept, samples):
    assert samples_within({"image": (1, 4, side, side), "b": (1,)}, ["image", "b"], kept) == samples


def test_an_inner_value_limits_the_batch_of_a_graph_with_small_outputs():
    b = Builder(0)
    x = b.input(1, 256)
    y = b.conv(x, 64, 1)  # 64 x 256 x 256 x 4 bytes: 16 MB
    assert samples_at_once(b.model(b.global_pool(y))) == 1
