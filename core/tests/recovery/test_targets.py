"""The sum or the rectifier that a consumer ends in, and the output that is left for it to give."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.recovery.rectifiers import Rectifier
from prunus.recovery.targets import target_behind


@pytest.fixture
def residual(build, draw):
    """x -> a -> (b -> BatchNorm -> + bias) + (projection p) -> c."""

    def weight(*shape):
        return draw.standard_normal(shape).astype(np.float32)

    return build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("Conv", ["a", "b/weight", "b/bias"], ["b"], {}),
            ("BatchNormalization", ["b", "n/scale", "n/shift", "n/mean", "n/variance"], ["n"], {}),
            ("Add", ["n", "s/bias"], ["s"], {}),
            ("Conv", ["a", "p/weight"], ["p"], {}),
            ("Add", ["s", "p"], ["sum"], {}),
            ("Conv", ["sum", "c/weight"], ["c"], {}),
        ],
        {
            "a/weight": weight(4, 2, 1, 1),
            "b/weight": weight(3, 4, 1, 1),
            "b/bias": weight(3),
            "n/scale": np.array([0.5, -2, 3], np.float32),
            "n/shift": weight(3),
            "n/mean": weight(3),
            "n/variance": np.array([0.5, 1, 2], np.float32),
            "s/bias": weight(1, 3, 1, 1),
            "p/weight": weight(3, 4, 1, 1),
            "c/weight": weight(2, 3, 1, 1),
        },
        {"x": (2, 5, 5)},
        {"c": (2, 5, 5)},
    )


def found(network, name, later):
    order = {node.name: number for number, node in enumerate(network.model.graph)}
    nodes = {node.outputs[0].name: node for node in network.model.graph}
    shapes = find_groups(network).labelling.dims
    return target_behind(nodes[name], {nodes[n].name for n in later}, order, shapes)


def test_the_target_is_what_completes_the_sum(residual):
    """Behind BatchNorm and bias: the very output, where the other branch is as it was."""
    target = found(residual, "b", [])
    assert (target.value, target.other, target.rectifier) == ("sum", "p", None)
    values = Session(residual.model, ["b", "p", "sum"]).run(random_inputs(residual.model, 3, 0))
    rows = {name: np.moveaxis(v, 1, -1).reshape(-1, 3) for name, v in values.items()}
    assert np.allclose(target.outputs(rows["sum"], rows["p"]), rows["b"], atol=1e-4)
    assert np.allclose(target.values(rows["b"], rows["p"]), rows["sum"], atol=1e-4)


def test_a_branch_whose_other_is_not_fitted_yet_takes_no_error_of_it(residual):
    assert found(residual, "b", ["p", "c"]).value == "b"
    assert found(residual, "p", ["c"]).other == "s"


def test_without_an_addition_the_output_is_the_target(residual):
    assert found(residual, "c", []).value == "c"
    assert found(residual, "a", ["b", "p", "c"]).value == "a"


def test_a_scale_of_nearly_zero_is_not_divided_by(residual):
    small = residual.with_weights({"n/scale": np.array([1, 1, 1e-5], np.float32)})
    assert found(small, "b", []).value == "b"


@pytest.mark.parametrize(
    ("operator", "bounds", "expected"),
    [
        ("Relu", [], Rectifier()),
        ("LeakyRelu", [], Rectifier(0.125)),
        ("Clip", ["low", "high"], Rectifier(0.0, 6.0)),
        ("Clip", ["high"], None),
        ("Sigmoid", [], None),
    ],
)
def test_a_rectifier_is_seen_behind_a_batch_norm(build, draw, operator, bounds, expected):
    network = build(
        [
            ("Conv", ["x", "a/weight"], ["a"], {}),
            ("BatchNormalization", ["a", "s", "b", "m", "v"], ["n"], {}),
            (operator, ["n", *bounds], ["r"], {"alpha": 0.125} if operator == "LeakyRelu" else {}),
        ],
        {
            "a/weight": draw.standard_normal((2, 2, 1, 1)).astype(np.float32),
            **{name: np.ones(2, np.float32) for name in "sbmv"},
            "low": np.float32(0),
            "high": np.float32(6),
        },
        {"x": (2, 5, 5)},
        {"r": (2, 5, 5)},
    )
    target = found(network, "a", [])
    assert target.rectifier == expected
    assert target.value == ("a" if expected is None else "n")
