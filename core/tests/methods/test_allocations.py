"""Choices small enough to be made by hand; rates and thresholds are in planning/test_target.py."""

from __future__ import annotations

import logging

import attrs
import numpy as np
import pytest

from prunus.errors import PlanError, UsageError
from prunus.graph.macs import cost_model
from prunus.grouping import find_groups
from prunus.methods import by_score, by_sensitivity, search, slow_first, uniform
from prunus.network import Network
from prunus.planning.budget import Budget, Planning
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.task import Measurement


@pytest.fixture
def chain(build) -> Network:
    """x (10) - a (10) - b (10) - y (10): three layers of 100 MACs."""
    weights = {f"{name}/weight": np.ones((10, 10), np.float32) for name in "aby"}
    nodes = [
        ("Gemm", [source, f"{name}/weight"], [name], {})
        for source, name in (("x", "a"), ("a", "b"), ("b", "y"))
    ]
    return build(nodes, weights, {"x": (10,)}, {"y": (10,)})


@pytest.fixture
def planning(chain) -> Planning:
    grouping = find_groups(chain)
    scores = {"a": np.arange(1.0, 11), "b": np.arange(10.0, 0, -1)}
    present = {name: np.ones(10, bool) for name in "ab"}
    return Planning(grouping.groups, scores, present, cost_model(chain.model, grouping), None)


def curves(a, b, error=0.001):
    """Losses at 8, 5 and 2 of 10 channels."""
    drawn = {"a": a, "b": b}
    return Sensitivity(
        "top-1",
        True,
        Measurement(1.0, error),
        tuple(
            Curve(n, 10, tuple(Point(1 - k / 10, k, 1 - v, error) for k, v in zip((8, 5, 2), losses, strict=True)))
            for n, losses in drawn.items()
        ),
        {},
    )  # fmt: skip


def counts(keep):
    return {name: int(keep[name].sum()) if name in keep else 10 for name in "ab"}


def test_uniform_is_the_same_everywhere(planning):
    # n channels in both: 10 n + n n + 10 n = 300 (1 - rate); n = 6 gives 156
    keep = uniform.prunus_mask("", planning, Budget(rate=0.48, multiple=1))
    assert counts(keep) == {"a": 6, "b": 6}
    assert keep["a"].tolist() == [False] * 4 + [True] * 6  # the highest scores
    assert keep["b"].tolist() == [True] * 6 + [False] * 4


def test_global_compares_scores_in_units_of_their_mean(planning):
    low = attrs.evolve(
        planning, scores={"a": np.r_[np.full(4, 0.1), np.ones(6)], "b": np.full(10, 1000.0)}
    )
    keep = by_score.prunus_mask("", low, Budget(rate=80 / 300, multiple=1))
    assert counts(keep) == {"a": 6, "b": 10}
    assert keep["a"].tolist() == [False] * 4 + [True] * 6


def test_sensitivity_takes_from_what_is_flat(planning):
    measured = attrs.evolve(planning, sensitivity=curves((0, 0, 0), (0.3, 0.6, 0.9)))
    found = counts(by_sensitivity.prunus_mask("", measured, Budget(rate=0.4, multiple=1)))
    assert found == {"a": 4, "b": 10}  # 120 of 300


def test_equal_curves_share_the_loss(planning):
    measured = attrs.evolve(planning, sensitivity=curves((0.1, 0.3, 0.6), (0.1, 0.3, 0.6)))
    found = counts(by_sensitivity.prunus_mask("", measured, Budget(rate=0.48, multiple=1)))
    assert abs(found["a"] - found["b"]) <= 1


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [(0.1, {"a": 8, "b": 10}), (0.3, {"a": 5, "b": 9}), (0.0999, {"a": 9, "b": 10})],
)
def test_thresholds_hold_group_by_group(planning, threshold, kept):
    measured = attrs.evolve(planning, sensitivity=curves((0.1, 0.3, 0.6), (0.6, 0.7, 0.8)))
    budget = Budget(threshold=threshold, multiple=1)
    assert counts(by_sensitivity.prunus_mask("", measured, budget)) == kept


def test_a_loss_that_should_be_small_has_thresholds_too(planning):
    higher = curves((0.1, 0.3, 0.6), (0.6, 0.7, 0.8))
    turned = attrs.evolve(
        higher,
        higher_is_better=False,
        curves=tuple(
            attrs.evolve(c, points=tuple(attrs.evolve(p, value=2 - p.value) for p in c.points))
            for c in higher.curves
        ),
    )
    budget = Budget(threshold=0.3, multiple=1)
    plans = [
        by_sensitivity.prunus_mask("", attrs.evolve(planning, sensitivity=measured), budget)
        for measured in (higher, turned)
    ]
    assert counts(plans[0]) == counts(plans[1])


@pytest.mark.parametrize(
    ("policy", "name"), [(uniform, "uniform"), (by_score, "global"), (slow_first, "slow-first")]
)
def test_thresholds_need_curves(planning, policy, name):
    with pytest.raises(UsageError) as caught:
        policy.prunus_mask("", planning, Budget(threshold=0.1))
    assert str(caught.value) == (
        f"allocation '{name}' needs --rate; --threshold needs measured sensitivity"
    )


@pytest.mark.parametrize("change", ["missing", "smaller"])
def test_groups_that_were_not_analysed(planning, change):
    measured = curves((0.1, 0.3, 0.6), (0.1, 0.3, 0.6))
    first, second = measured.curves
    left = (first,) if change == "missing" else (first, attrs.evolve(second, size=9))
    other = attrs.evolve(planning, sensitivity=attrs.evolve(measured, curves=left))
    with pytest.raises(PlanError) as caught:
        by_sensitivity.prunus_mask("", other, Budget(rate=0.4))
    assert str(caught.value) == (
        "group 'b' of 10 channels was not analysed; run 'prunus ana' again, with the same --exclude"
    )


@pytest.mark.parametrize("policy", [uniform, by_score, by_sensitivity, slow_first])
def test_nothing_to_prune(planning, policy):
    empty = attrs.evolve(planning, groups=(), sensitivity=curves((0, 0, 0), (0, 0, 0)))
    with pytest.raises(PlanError) as caught:
        policy.prunus_mask("", empty, Budget(rate=0.4))
    assert str(caught.value) == (
        "no prunable group: every channel is protected; 'prunus stat' lists the reasons"
    )


@pytest.fixture
def wide(build) -> Planning:
    """The same chain of 100 channels a layer: many plans hit a rate."""
    nodes = [
        ("Gemm", [source, f"{name}/weight"], [name], {})
        for source, name in (("x", "a"), ("a", "b"), ("b", "y"))
    ]
    weights = {f"{name}/weight": np.ones((100, 100), np.float32) for name in "aby"}
    network = build(nodes, weights, {"x": (100,)}, {"y": (100,)})
    grouping = find_groups(network)
    scores = {name: np.arange(100.0) for name in "ab"}
    present = {name: np.ones(100, bool) for name in "ab"}
    return Planning(grouping.groups, scores, present, cost_model(network.model, grouping), None)


@attrs.frozen
class Weighed:
    """Trials that price removed channels, and remember the plans."""

    a: float
    b: float
    asked: list = attrs.field(factory=list)

    samples = 8

    def loss(self, keep):
        kept = {name: int(keep[name].sum()) if name in keep else 100 for name in "ab"}
        self.asked.append(tuple(kept.values()))
        return self.priced(**kept)

    def priced(self, a, b):
        return self.a * (100 - a) ** 2 + self.b * (100 - b) ** 2

    fitted = 8

    def compensated_losses(self, keep):
        return [self.priced(**{name: int(keep[name].sum()) for name in "ab"})]


def searched(planning, trials):
    budget = Budget(rate=0.48, multiple=1)
    keep = search.prunus_mask("", attrs.evolve(planning, trials=trials), budget)
    return [int(keep[name].sum()) for name in "ab"]


def test_search_spares_the_group_whose_removal_costs_more(wide):
    even = searched(wide, Weighed(0, 0))
    assert even[0] == even[1]
    for trials in (Weighed(9, 1), Weighed(1, 9)):
        dear, cheap = searched(wide, trials) if trials.a > 1 else searched(wide, trials)[::-1]
        assert dear > even[0] > cheap


def test_search_begins_with_slow_groups_too_where_time_is_limited(wide):
    """Of two groups of the same MACs, ``a`` takes three times as long: more of it goes."""
    macs = wide.cost
    scale = macs.scale * np.array([3.0 if name[0] == "a" else 1.0 for name in macs.layers])
    cost = attrs.evolve(macs, scale=scale, counted="milliseconds")
    trials = Weighed(1, 1)
    searched(attrs.evolve(wide, cost=cost, macs=macs), trials)
    (even, same), (slow, quick) = trials.asked[:2]
    assert even == pytest.approx(same, abs=1)
    assert slow < even - 5
    assert quick > even + 5


def test_search_measures_no_plan_twice(wide):
    trials = Weighed(9, 1)
    searched(wide, trials)
    assert len(trials.asked) == len(set(trials.asked)) > 3


def test_search_tells_the_best_plan_so_far(wide, caplog):
    trials = Weighed(9, 1)
    with caplog.at_level(logging.INFO, "prunus"):
        searched(wide, trials)
    told = [record.args for record in caplog.records if record.args[0] == "search for a plan"]
    done = [done for _, done, _, _ in told]
    assert done == sorted(done)
    ((most,),) = [{total for _, _, total, _ in told}]
    assert done[0] == 1
    assert done[-1] == most > done[-2]
    best = [float(state.split()[1].rstrip(",")) for *_, state in told]
    assert best == sorted(best, reverse=True)
    assert best[-1] < best[0]
    assert told[0][-1] == f"loss {best[0]:.4g}, of equal shares {best[0]:.4g}"
    assert told[-1][-1].endswith(f"of equal shares {best[0]:.4g}")


def test_search_takes_the_plan_that_is_best_when_compensated_by_layers(wide):
    """One shot may prefer a plan that the whole compensation does not."""

    class Deceived(Weighed):
        def compensated_losses(self, keep):
            return [abs(int(keep["a"].sum()) - int(keep["b"].sum()))]

    dear, cheap = searched(wide, Weighed(9, 1))
    assert dear > cheap
    even, same = searched(wide, Deceived(9, 1))
    assert even == same


def test_search_goes_half_way_back_where_one_shot_leads_too_far(wide):
    """Layers together bear less difference of the groups than the trials of one shot tell."""

    class Moderate(Weighed):
        def compensated_losses(self, keep):
            return [abs(int(keep["a"].sum()) - int(keep["b"].sum()) - 30)]

    even, same = searched(wide, Weighed(0, 0))
    far, near = searched(wide, Weighed(9, 1))
    assert far - near > 60
    dear, cheap = searched(wide, Moderate(9, 1))
    assert dear == pytest.approx(np.sqrt(even * far), abs=3)
    assert cheap == pytest.approx(np.sqrt(same * near), abs=3)


@pytest.mark.parametrize(("samples", "several"), [(8, False), (512, True)])
def test_many_samples_compare_searches_from_several_starts(wide, samples, several):
    compared = []

    class Waved(Weighed):
        """Many valleys: each search ends in the nearest one."""

        fitted = samples

        def priced(self, a, b):
            return 3000 + (a - b) ** 2 / 10 + 1000 * np.cos(a - b)

        def compensated_losses(self, keep):
            compared.append(tuple(int(keep[name].sum()) for name in "ab"))
            return [self.priced(*compared[-1])]

    trials = Waved(0, 0)
    found = searched(wide, trials)
    assert trials.priced(*found) == min(trials.priced(*plan) for plan in compared)
    assert (len(set(compared)) > 3) == several
    assert searched(wide, trials) == found


def test_search_keeps_equal_shares_unless_another_plan_is_better_on_every_part(wide):
    class Lucky(Weighed):
        def compensated_losses(self, keep):
            unequal = int(keep["a"].sum()) != int(keep["b"].sum())
            return [0.0, 2.0, 0.0] if unequal else [1.0, 1.0, 1.0]

    even, same = searched(wide, Lucky(9, 1))
    assert even == same


def test_search_asks_for_samples_and_a_rate(planning):
    with pytest.raises(PlanError) as caught:
        search.prunus_mask("", planning, Budget(rate=0.5))
    assert str(caught.value) == "allocation 'search' needs samples: 16 at least; give --data"
    with pytest.raises(UsageError) as caught:
        search.prunus_mask("", planning, Budget(threshold=0.1))
    assert str(caught.value) == (
        "allocation 'search' needs --rate; --threshold needs measured sensitivity"
    )
