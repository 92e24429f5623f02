"""Shuffled samples: every one once an epoch, whatever the batch size."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.errors import UsageError
from prunus.training.divergence import check_loss, check_metric
from prunus.training.stream import pass_seed, sample_positions as positions


def test_every_epoch_sees_every_sample_once() -> None:
    stream = np.concatenate([positions(10, 4, start, 4) for start in range(0, 40, 4)])
    for epoch in stream.reshape(4, 10):
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in stream.reshape(4, 10)}) == 4
    assert not np.array_equal(stream[:10], positions(10, 5, 0, 10))


def test_a_resumed_stream_goes_on_where_it_stopped() -> None:
    whole = positions(7, 3, 0, 50)
    assert np.array_equal(whole[20:], positions(7, 3, 20, 30))


def test_seeds_of_passes_differ() -> None:
    seeds = {pass_seed(seed, number) for seed in range(5) for number in range(5)}
    assert len(seeds) == 25
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_lost_numbers_end_a_training(value: float) -> None:
    check_loss(1.5, 3, 0.1)
    check_metric("top-1", 0.5)
    with pytest.raises(UsageError) as caught:
        check_loss(value, 3, 0.1)
    assert str(caught.value) == (
        f"training diverged at iteration 3: the loss is {value}; "
        "lower the learning rate (now 0.1, --learning-rate)"
    )
    with pytest.raises(UsageError) as caught:
        check_metric("top-1", value)
    assert str(caught.value) == (
        "training diverged: the network's top-1 is no number any more; "
        "lower the learning rate (--learning-rate)"
    )
