"""Masks of single weights through a training: who can hold them, and what they become."""

from __future__ import annotations

import numpy as np
import pytest

import prunus
from prunus.descriptors import Trainer
from prunus.errors import PluginError, UsageError
from prunus.granularity import granularity_of
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.prunable import prunable
from prunus.training.job import Splicing
from prunus.training.weight_masks import check_holds, kept_after, masks_of, splicing_of


class Plugin:
    __name__ = "plugin"

    @hookimpl
    def prunus_register(self):
        return (
            Trainer("plain", "trains whole networks"),
            Trainer("holding", "holds", holds_weights=True),
            Trainer("growing", "regrows", holds_weights=True, regrows_weights=True),
        )


@pytest.fixture
def host():
    return Host([(Plugin(), "third-party 1")])


@pytest.fixture
def subject(lenet):
    return prunable(lenet, (), granularity_of("weight"))


@pytest.fixture
def keep(subject):
    return prunus.plan(subject.network, rate=0.8, granularity="weight").keep(subject)


def test_trainers_are_refused_by_name(host, subject, lenet):
    check_holds(host, "holding", subject, regrow=False)
    check_holds(host, "growing", subject, regrow=True)
    with pytest.raises(UsageError) as caught:
        check_holds(host, "plain", subject, regrow=False)
    assert str(caught.value) == (
        "trainer plain cannot hold masks of single weights; use --trainer growing or holding"
    )
    with pytest.raises(UsageError) as caught:
        check_holds(host, "holding", subject, regrow=True)
    assert str(caught.value) == (
        "trainer holding cannot regrow masked weights; use --trainer growing"
    )
    with pytest.raises(UsageError) as caught:
        check_holds(host, "growing", prunable(lenet), regrow=True)
    assert str(caught.value) == (
        "--regrow is for masks of single weights; this mask is of channels"
    )


def test_a_loose_mask_is_the_trainers_defect(subject, keep):
    masks = masks_of(subject, keep)
    weights = {name: array * masks[name] for name, array in subject.network.weights().items()
               if name in masks}  # fmt: skip
    same = kept_after("third", subject, keep, weights, regrow=False)
    assert all(np.array_equal(same[name], units) for name, units in keep.items())
    name, kept = next(iter(masks.items()))
    weights[name] = np.where(kept, weights[name], np.float32(1))
    with pytest.raises(PluginError, match=r"third did not hold the mask of .* are not zero"):
        kept_after("third", subject, keep, weights, regrow=False)


def test_spliced_masks_keep_the_largest_and_the_number(subject, keep):
    draw = np.random.default_rng(0)
    masks = masks_of(subject, keep)
    weights = {name: draw.standard_normal(kept.shape) for name, kept in masks.items()}
    chosen = splicing_of(subject, keep, 5).choose(weights)
    for name, kept in chosen.items():
        assert kept.sum() == masks[name].sum()
        assert abs(weights[name][kept]).min() >= abs(weights[name][~kept]).max()
    grown = {name: weights[name] * kept for name, kept in chosen.items()}
    found = masks_of(subject, kept_after("third", subject, keep, grown, regrow=True))
    assert all(np.array_equal(found[name], kept) for name, kept in chosen.items())


def test_splicing_ends_before_the_training_does():
    splicing = Splicing(10, dict)
    due = [update for update in range(100) if splicing.due(update, 100)]
    assert due == [10, 20, 30, 40, 50, 60, 70]
