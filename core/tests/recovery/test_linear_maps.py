"""Convolutions and matrix products as linear maps: their adjoints, and the sums of their rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from prunus.recovery.linear_maps import Convolution, Matrix
from prunus.recovery.positions import Window

SIZES = st.integers(1, 3)


@st.composite
def convolutions(draw):
    """A convolution, data and a weight."""
    kernel, strides, dilations = (draw(st.tuples(SIZES, SIZES)) for _ in range(3))
    pads = draw(st.tuples(*[st.integers(0, 2)] * 4))
    depthwise = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    data = rng.standard_normal((2, 3, 9, 8)).astype(np.float32)
    weight = rng.standard_normal((3, 1 if depthwise else 3, *kernel)).astype(np.float32)
    return (
        Convolution(Window(kernel, strides, dilations, pads), 3 if depthwise else 1),
        data,
        weight,
    )


@given(convolutions())
def test_the_adjoint_of_the_data(found):
    convolution, data, weight = found
    made = convolution.outputs(data, weight)
    values = np.random.default_rng(1).standard_normal(made.shape).astype(np.float32)
    back = convolution.adjoint(values, weight, data.shape)
    assert back.shape == data.shape
    assert np.vdot(made, values) == pytest.approx(np.vdot(data, back), rel=1e-3, abs=1e-3)


@given(convolutions())
def test_the_adjoint_of_the_weight(found):
    convolution, data, weight = found
    if convolution.groups == 1:
        made = convolution.outputs(data, weight)
        values = np.random.default_rng(1).standard_normal(made.shape).astype(np.float32)
        back = convolution.gradient(values, data, weight.shape)
        assert np.vdot(made, values) == pytest.approx(np.vdot(weight, back), rel=1e-3, abs=1e-3)


def test_products_tell_the_mean_square_of_the_outputs():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4, 3, 6, 6)).astype(np.float32)
    weight = rng.standard_normal((2, 3, 3, 3)).astype(np.float32)
    convolution = Convolution(Window((3, 3), (2, 2), (1, 1), (1, 1, 1, 1)))
    rows = np.concatenate([weight.reshape(2, -1), np.ones((2, 1))], 1)  # the bias is one
    wanted = np.square(convolution.outputs(data, weight) + 1).mean((0, 2, 3))
    assert np.allclose(np.diag(rows @ convolution.products(data) @ rows.T), wanted, rtol=1e-4)


def test_a_matrix_is_a_convolution_of_one_place():
    rng = np.random.default_rng(0)
    data, weight = rng.standard_normal((5, 3)), rng.standard_normal((2, 3))
    values = rng.standard_normal((5, 2))
    maps = Matrix(), Convolution(Window((1, 1), (1, 1), (1, 1), (0, 0, 0, 0)))
    for name, given_, shape in (
        ("outputs", (data, weight), None),
        ("adjoint", (values, weight), data.shape),
        ("gradient", (values, data), weight.shape),
        ("products", (data,), None),
    ):
        small = [array.astype(np.float32) for array in given_]
        large = [array[:, :, None, None] for array in small]
        shapes = ([], []) if shape is None else ([shape], [(*shape, 1, 1)])
        first = getattr(maps[0], name)(*small, *shapes[0])
        second = getattr(maps[1], name)(*large, *shapes[1])
        assert np.allclose(first.ravel(), second.ravel(), atol=1e-5), name
