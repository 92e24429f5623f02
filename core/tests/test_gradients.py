"""Products of weights and derivatives, by a trainer that differentiates one known network."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.gradients import Gradients, mean_over_batches, unit_sums
from prunus.grouping import find_groups
from prunus.groups import Member
from prunus.task import Task


@pytest.fixture
def network(build):
    """x (3) -> a (2 units) -> y (4 classes), no activation: y = B A x."""
    draw = np.random.default_rng(0)
    return build(
        [
            ("Gemm", ["x", "a/weight"], ["a"], {"transB": 1}),
            ("Gemm", ["a", "b/weight"], ["y"], {"transB": 1}),
        ],
        {
            "a/weight": draw.standard_normal((2, 3)).astype(np.float32),
            "b/weight": draw.standard_normal((4, 2)).astype(np.float32),
        },
        {"x": (3,)},
        {"y": (4,)},
    )


def by_hand(network, seen):
    """Derivatives of the network above, and what it was asked for."""
    weights = network.weights()

    def differentiate(names):
        assert set(names) == {"a/weight", "b/weight"}

        def derive(inputs, cotangents):
            x, t = inputs["x"], cotangents["y"]
            seen.append((x, t))
            hidden = x @ weights["a/weight"].T
            return {"b/weight": t.T @ hidden, "a/weight": (t @ weights["b/weight"]).T @ x}

        return derive

    return differentiate


def gradients(network, count=5, seed=0):
    seen = []
    samples = {"x": np.random.default_rng(1).standard_normal((count, 3)).astype(np.float32)}
    groups = find_groups(network).groups
    return Gradients(network, groups, samples, seed, by_hand(network, seen)), groups[0], seen


def test_products_of_every_sample(network):
    found, group, seen = gradients(network)
    (made,), (read,) = found.of(group, "filter"), found.of(group, "input")
    weights = network.weights()
    assert len(seen) == found.count == 5
    for position, (x, t) in enumerate(seen):
        hidden = x @ weights["a/weight"].T
        terms = weights["b/weight"] * (t.T @ hidden)
        assert read.first[position] == pytest.approx(terms.sum(0), rel=1e-4)
    squares = np.mean([((weights["b/weight"] * (t.T @ (x @ weights["a/weight"].T))) ** 2).sum(0) for x, t in seen], axis=0)  # fmt: skip
    assert read.squares == pytest.approx(squares, rel=1e-4)
    # a factor on the filter is a factor on everything that reads a linear unit
    assert made.first == pytest.approx(read.first, rel=1e-4, abs=1e-6)


def test_classes_are_drawn_from_the_network_s_own_probabilities(network):
    _, group, _ = gradients(network)
    counts = np.zeros(4)
    for seed in range(300):
        found, _, seen = gradients(network, 1, seed)
        found.of(group, "input")
        ((x, t),) = seen
        counts[int(t.argmin())] += 1
        assert t.sum() == pytest.approx(0, abs=1e-5)
    weights = network.weights()
    scores = x @ weights["a/weight"].T @ weights["b/weight"].T
    chance = np.exp(scores[0]) / np.exp(scores).sum()
    assert counts / 300 == pytest.approx(chance, abs=0.1)


def test_other_outputs_get_noise_of_their_size(network):
    class Own:
        name, higher_is_better, needs_labels = "own", True, True

    other = attrs.evolve(network, task=Task(metric=Own()))
    found, group, seen = gradients(other, 200)
    found.of(group, "input")
    weights = network.weights()
    outputs = np.concatenate([x for x, _ in seen]) @ weights["a/weight"].T @ weights["b/weight"].T
    size = np.sqrt(np.mean(outputs**2))
    assert np.std([t for _, t in seen]) == pytest.approx(1 / size, rel=0.1)


def test_the_same_seed_gives_the_same_numbers(network):
    first, second, other = (gradients(network, seed=seed)[0] for seed in (3, 3, 4))
    group = find_groups(network).groups[0]
    values = [one.of(group, "filter")[0].first for one in (first, second, other)]
    assert np.array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


def test_at_most_256_samples_are_differentiated(network):
    found, _, _ = gradients(network, 300)
    assert found.count == 256


def test_sums_over_what_a_unit_owns():
    array = np.arange(12, dtype=np.float32).reshape(2, 6)
    member = Member("w", "input", (1,), np.array([[0, 3], [1, 4], [2, 5]]))
    sums, squares = unit_sums(member, array)
    assert sums.tolist() == [0 + 3 + 6 + 9, 1 + 4 + 7 + 10, 2 + 5 + 8 + 11]
    assert squares.tolist() == [0 + 9 + 36 + 81, 1 + 16 + 49 + 100, 4 + 25 + 64 + 121]


def test_means_over_batches():
    products = np.arange(10.0).reshape(5, 2)
    found = mean_over_batches(products, 2)
    assert [part.tolist() for part in found] == [[1, 2], [5, 6], [8, 9]]
