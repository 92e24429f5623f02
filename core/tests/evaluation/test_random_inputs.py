from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import ModelError
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session

WHOLE = ir.DataType.INT64


@pytest.fixture
def embedded(build):
    """A sum over rows of a table that token numbers choose, where a mask of whole numbers is 1."""

    def made(kind: ir.DataType = WHOLE, mask: ir.DataType = WHOLE):
        network = build(
            [
                ("Unsqueeze", ["tokens", "last"], ["columns"], {}),
                ("Cast", ["columns"], ["index"], {"to": int(WHOLE)}),
                ("Squeeze", ["index", "last"], ["rows"], {}),
                ("Gather", ["table", "rows"], ["embedded"], {}),
                ("ReduceSum", ["embedded", "middle"], ["summed"], {"keepdims": 0}),
                ("Cast", ["mask"], ["factor"], {"to": 1}),
                ("Mul", ["summed", "factor"], ["y"], {}),
            ],
            {
                "table": np.arange(21, dtype=np.float32).reshape(7, 3),
                "last": np.array([2]),
                "middle": np.array([1]),
            },
            {"tokens": (40,), "mask": (3,)},
            {"y": (3,)},
        )
        tokens, masks = network.model.graph.inputs
        tokens.type, masks.type = ir.TensorType(kind), ir.TensorType(mask)
        return network.model

    return made


def test_they_follow_the_seed_alone(lenet):
    first, again, other = (random_inputs(lenet.model, 2, seed)["data"] for seed in (1, 1, 2))
    assert first.shape == (2, 1, 12, 12)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", [ir.DataType.INT64, ir.DataType.INT32])
def test_whole_numbers_choose_rows_of_the_table(embedded, kind):
    found = random_inputs(embedded(kind), 5, 0)
    tokens = found["tokens"]
    assert tokens.shape == (5, 40)
    assert tokens.dtype == np.float32
    assert set(tokens.ravel()) == set(range(7))


@pytest.mark.parametrize("kind", [ir.DataType.INT64, ir.DataType.BOOL])
def test_what_chooses_nothing_is_a_mask_of_ones(embedded, kind):
    mask = random_inputs(embedded(mask=kind), 5, 0)["mask"]
    assert np.array_equal(mask, np.ones((5, 3), np.float32))


def test_the_graph_gets_them_in_its_own_types(embedded):
    model = embedded(ir.DataType.INT32, ir.DataType.BOOL)
    drawn = random_inputs(model, 5, 0)
    table = np.arange(21, dtype=np.float32).reshape(7, 3)
    wanted = table[drawn["tokens"].astype(np.int64)].sum(1)
    assert np.array_equal(Session(model).run(drawn)["y"], wanted)


def test_other_types_are_refused_by_name(embedded):
    with pytest.raises(ModelError) as caught:
        random_inputs(embedded(mask=ir.DataType.UINT8), 5, 0)
    assert str(caught.value) == (
        "input 'mask' takes uint8 numbers, and only float32, int32, int64 and bool can be drawn or "
        "measured; cut the model behind what turns them into float32"
    )
