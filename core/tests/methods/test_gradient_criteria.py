"""Criteria that read derivatives, on products chosen by hand; and who computes derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.descriptors import Trainer
from prunus.errors import PluginError
from prunus.gradients import Products
from prunus.grouping import find_groups
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.methods import block_obd, fisher, taylor
from prunus.planning.scores import scores_of
from prunus.prunable import prunable


class Given:
    """Products by role."""

    def __init__(self, **roles):
        self.roles = roles

    def of(self, group, role):
        return self.roles.get(role, [])


class Four:
    """All that these criteria ask of a group."""

    size = 4


def products(first, squares=None):
    return Products(np.array(first, np.float64), np.array(squares or [0] * 4, np.float64))


def test_taylor_squares_the_mean_of_a_batch():
    # 17 samples make batches of 9 and 8
    first = [[1, 2, 0, 1]] * 9 + [[3, -2, 0, -1]] * 8
    given = Given(filter=[products(first), products([[1, 0, 0, 0]] * 17)])
    assert taylor.prunus_rank("taylor", Four(), given).tolist() == [(1 + 9) / 2 + 1, 4, 0, 1]


def test_fisher_squares_the_sum_over_all_that_reads_the_unit():
    given = Given(
        input=[products([[1, 2, 0, 1], [1, -2, 0, 0]]), products([[1, -2, 3, 0], [0, 0, 0, 0]])],
        filter=[products([[9, 9, 9, 9]] * 2)],
    )
    assert fisher.prunus_rank("fisher", Four(), given).tolist() == [5 / 4, 1, 9 / 4, 1 / 4]
    alone = Given(filter=given.roles["filter"])
    assert fisher.prunus_rank("fisher", Four(), alone).tolist() == [81 / 2] * 4


def test_block_obd_sums_saliencies():
    given = Given(filter=[products([[0] * 4], [2, 4, 6, 8]), products([[0] * 4], [0, 0, 0, 2])])
    assert block_obd.prunus_rank("block-obd", Four(), given).tolist() == [1, 2, 3, 5]


class Differentiating:
    """A trainer of some formats that answers as it is told to."""

    def __init__(self, answer, formats=(), able=True):
        self.answer, self.formats, self.able = answer, formats, able

    @hookimpl
    def prunus_register(self):
        return (Trainer("other", "a test", self.formats, differentiates=self.able),)

    @hookimpl
    def prunus_differentiate(self, trainer, network, weights):
        return self.answer


def scores(network, trainer):
    host = Host([(taylor, "prunus"), (trainer, "acme 1.0")])
    samples = {"data": np.zeros((3, *network.model.graph.inputs[0].shape[1:]), np.float32)}
    return scores_of(host, "taylor", prunable(network, ()), samples, 0)


@pytest.mark.parametrize(("formats", "able"), [((), False), (("clay",), True)])
def test_the_distribution_that_is_missing_is_named(lenet, formats, able):
    with pytest.raises(PluginError) as caught:
        scores(lenet, Differentiating(None, formats, able))
    assert str(caught.value) == (
        "criterion 'taylor' needs derivatives of the loss, and no installed trainer computes them "
        f"for format {lenet.format}: pip install prunus-torch"
    )


def test_any_trainer_may_differentiate(lenet):
    stored = lenet.weights()

    def derive(inputs, cotangents):
        return {name: np.ones_like(array) for name, array in stored.items()}

    found = scores(lenet, Differentiating(derive))
    (conv1,) = (
        member for member in find_groups(lenet).groups[0].members if member.role == "filter"
    )
    assert found["conv1"] == pytest.approx(conv1.slices(lenet).sum(1) ** 2, rel=1e-5)


def test_a_trainer_that_gives_no_function_is_named(lenet):
    with pytest.raises(PluginError, match=r"^trainer 'other' of acme 1\.0.*prunus_differentiate"):
        scores(lenet, Differentiating(3))


def test_derivatives_that_fail_are_the_trainer_s(lenet):
    with pytest.raises(
        PluginError, match=r"^trainer 'other' of acme 1\.0 failed in its derivatives"
    ):
        scores(lenet, Differentiating(lambda inputs, cotangents: inputs["nothing"]))
