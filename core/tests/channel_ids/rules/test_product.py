from __future__ import annotations

import numpy as np
import pytest

TURN = ("Transpose", ["k"], ["kt"], {"perm": [0, 1, 3, 2]})
SCORES = ("MatMul", ["q", "kt"], ["s"], {})
SHARES = ("Softmax", ["s"], ["p"], {"axis": -1})
MIXED = ("MatMul", ["p", "v"], ["m"], {})


@pytest.fixture
def after_three(build):
    """Three linear layers over (4, 6) in two heads of three, and what is put behind ``q k v``."""

    def make(nodes, outputs):
        first, weights = [], {"heads": np.array([0, 4, 2, 3])}
        for name in "qkv":
            weights[f"{name}l/weight"] = np.ones((6, 6), np.float32)
            first += [
                ("MatMul", ["x", f"{name}l/weight"], [f"{name}l"], {}),
                ("Reshape", [f"{name}l", "heads"], [f"{name}h"], {}),
                ("Transpose", [f"{name}h"], [name], {"perm": [0, 2, 1, 3]}),
            ]
        return build([*first, *nodes], weights, {"x": (4, 6)}, outputs)

    return make


def rows(found, value):
    return np.squeeze(found.of(value)[:, :, 0]).tolist()


def attention(after_three):
    return after_three([TURN, SCORES, SHARES, MIXED], {"m": (2, 4, 3)})


def test_queries_and_keys_lose_the_same_width(label, after_three):
    found = label(attention(after_three))
    assert rows(found, "q") == rows(found, "k")
    assert not set(np.ravel(rows(found, "q"))) & set(np.ravel(rows(found, "v")))
    (contraction,) = found.found.contractions
    assert contraction.node == "s"
    roots = found.found.roots[contraction.labels]
    assert set(roots.tolist()) == set(np.ravel(rows(found, "q")))


def test_values_pass(label, after_three):
    found = label(attention(after_three))
    assert rows(found, "m") == rows(found, "v")


def test_scores_are_counted_by_heads_alone(label, after_three):
    found = label(attention(after_three))
    assert found.found.values["s"].shape == (1, 2, 1, 1)
    assert found.found.values["p"].shape == (1, 2, 1, 1)
    assert found.frozen("p") == {"counts the heads of 'm'"}


def test_heads_lose_equal_numbers_and_can_go_whole(label, after_three):
    found = label(attention(after_three))
    fixed = [found.found.roots[one.labels].tolist() for one in found.found.rows if one.fixed]
    wanted = [rows(found, value) for value in "qkv"]
    assert fixed == wanted
    assert [found.found.roots[one.rows].tolist() for one in found.found.heads] == wanted
    assert all(one.labels.shape == (2,) for one in found.found.heads)


def test_named_axes_are_the_same_products(label, after_three):
    nodes = [
        ("Einsum", ["q", "k"], ["s"], {"equation": "bhqd, bhkd -> bhqk"}),
        SHARES,
        ("Einsum", ["p", "v"], ["m"], {"equation": "bhqk,bhkd->bqhd"}),
    ]
    found = label(after_three(nodes, {"m": (4, 2, 3)}))
    assert rows(found, "q") == rows(found, "k")
    assert np.squeeze(found.of("m")[:, 0]).tolist() == rows(found, "v")


def test_a_head_alone_is_no_head(label, build):
    """One product of two values ``(N, T, C)``: nothing to count."""
    weights = {f"{name}/weight": np.ones((6, 5), np.float32) for name in "qkv"}
    nodes = [
        *(("MatMul", ["x", f"{name}/weight"], [name], {}) for name in "qkv"),
        ("Transpose", ["k"], ["kt"], {"perm": [0, 2, 1]}),
        SCORES,
        ("MatMul", ["s", "v"], ["m"], {}),
    ]
    found = label(build(nodes, weights, {"x": (4, 6)}, {"m": (4, 5)}))
    assert found.channels("q", 2) == found.channels("k", 2)
    assert found.channels("m", 2) == found.channels("v", 2)
    assert found.found.heads == ()


@pytest.mark.parametrize(
    ("nodes", "shape", "reason"),
    [
        (  # keys times values first: width by width
            [TURN, ("MatMul", ["kt", "v"], ["y"], {})],
            (2, 3, 3),
            "feeds product 'y' along two axes of channels",
        ),
        (
            [("Einsum", ["k", "v"], ["y"], {"equation": "bhtd,bhte->bhde"})],
            (2, 3, 3),
            "feeds product 'y' along two axes of channels",
        ),
        (
            [("Einsum", ["k", "v"], ["y"], {"equation": "bhtd,bhtd->bh"})],
            (2,),
            "feeds 'y', a sum that is no product of matrices",
        ),
    ],
)
def test_products_that_hold_all_channels(label, after_three, nodes, shape, reason):
    assert label(after_three(nodes, {"y": shape})).frozen("k") == {reason}
