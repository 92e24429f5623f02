"""Rows of activations are what a convolution really multiplies its weight with."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from prunus.evaluation.session import Session
from prunus.recovery.positions import Window, chunks, draw_positions, points, window_of, windows


@pytest.mark.parametrize(
    ("data", "weight", "attributes"),
    [
        ((2, 3, 7, 6), (4, 3, 3, 2), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
        ((2, 3, 9, 9), (4, 3, 3, 3), {"dilations": [2, 3], "pads": [2, 2, 2, 2]}),
        ((2, 3, 8), (4, 3, 5), {"pads": [2, 2]}),
        ((2, 2, 5, 4, 6), (3, 2, 2, 2, 3), {"strides": [1, 2, 3]}),
    ],
)
def test_windows_times_weight_is_the_convolution(build, draw, data, weight, attributes):
    kernel = draw.standard_normal(weight).astype(np.float32)
    network = build(
        [("Conv", ["x", "c/weight"], ["c"], attributes)],
        {"c/weight": kernel},
        {"x": data[1:]},
        {"c": (weight[0], *(None,) * (len(data) - 2))},
    )
    x = draw.standard_normal(data).astype(np.float32)
    found = Session(network.model).run({"x": x})["c"]
    node = next(iter(network.model.graph))
    positions = draw_positions(found, 10_000, draw)
    rows = windows(x, positions, window_of(node, weight[2:]))
    assert np.allclose(
        rows @ kernel.reshape(len(kernel), -1).T, points(found, positions), atol=1e-5
    )


def test_all_positions_or_as_many_as_asked(draw):
    value = np.zeros((3, 5, 2, 2), np.float32)
    assert len(draw_positions(value, 12, draw)[0]) == 12
    first, row, column = draw_positions(value, 7, draw)
    assert len(first) == 7
    assert first.max() < 3
    assert max(row.max(), column.max()) < 2


def test_readers_that_have_no_window():
    def node(operator, **attributes):
        return ir.node(operator, [None], attributes)

    assert window_of(node("MatMul"), ()) == Window()
    assert window_of(node("Conv", auto_pad="SAME_UPPER"), (3, 3)) is None
    assert window_of(node("ConvTranspose"), (3, 3)) is None


def test_a_matrix_product_has_rows_on_every_axis_but_the_channels(draw):
    """A value ``(N, T, C)`` as `Design.problems` turns it: channels in front."""
    x = draw.standard_normal((2, 5, 3)).astype(np.float32)
    moved = np.moveaxis(x, 2, 1)
    positions = draw_positions(moved, 10_000, draw)
    assert np.array_equal(windows(moved, positions, Window()), x.reshape(10, 3))


def test_chunks_hold_every_position_once_with_the_samples_it_lies_in(draw):
    value = draw.standard_normal((5, 2, 3, 4)).astype(np.float32)
    positions = draw_positions(value, 37, draw)
    parts = [points(value[part], chunk) for part, chunk in chunks(positions, 10)]
    assert [len(part) for part in parts] == [10, 10, 10, 7]
    assert np.array_equal(np.concatenate(parts), points(value, positions))
