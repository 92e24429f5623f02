from __future__ import annotations

import numpy as np
import pytest


def ones(*shape):
    return np.ones(shape, np.float32)


def own(found, node):
    return {(r.role, r.axis) for r in found.found.records if r.node == node}


def dense(after_conv, node, weights, nodes=(), shape=(5,)):
    flat = ("Flatten", ["c"], ["f"], {})
    return after_conv([flat, *nodes, node], {"d": shape}, weights)


@pytest.mark.parametrize(("turned", "shape"), [(0, (96, 5)), (1, (5, 96))])
def test_gemm_of_both_orders(label, after_conv, turned, shape):
    node = ("Gemm", ["f", "d/weight", "d/bias"], ["d"], {"transB": turned})
    found = label(dense(after_conv, node, {"d/weight": ones(*shape), "d/bias": ones(5)}))
    assert own(found, "d") == {("filter", 1 - turned), ("input", turned), ("bias", 0)}
    # flattened channel by channel: 16 places each
    assert found.channels("f") == np.repeat(found.channels("c"), 16).tolist()


def test_a_bias_of_one_number_is_nobodys(label, after_conv):
    node = ("Gemm", ["f", "d/weight", "d/bias"], ["d"], {})
    found = label(dense(after_conv, node, {"d/weight": ones(96, 5), "d/bias": ones(1)}))
    assert own(found, "d") == {("filter", 1), ("input", 0)}


def test_a_matrix_product_reads_its_last_axis(label, after_conv):
    nodes = [("Transpose", ["c"], ["t"], {"perm": [0, 2, 3, 1]})]
    node = ("MatMul", ["t", "d/weight"], ["d"], {})
    found = label(after_conv([*nodes, node], {"d": (4, 4, 5)}, {"d/weight": ones(6, 5)}))
    assert own(found, "d") == {("filter", 1), ("input", 0)}
    assert len(set(found.channels("d", 3))) == 5


@pytest.mark.parametrize(
    ("node", "weights", "reason"),
    [
        (
            ("Gemm", ["w", "f"], ["d"], {"transA": 1, "transB": 1}),
            {"w": ones(96, 5)},
            "feeds 'd', which does not read rows of a weight",
        ),
        (("MatMul", ["w", "f"], ["d"], {}), {"w": ones(5, 1)}, "feeds product 'd' of two computed values"),
    ],
)  # fmt: skip
def test_products_that_are_no_layers(label, after_conv, node, weights, reason):
    found = label(dense(after_conv, node, weights, shape=(96,)))
    assert found.frozen("c") == {reason}
