from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import ModelError
from prunus.graph.shapes import infer_shapes


def test_shapes_of_one_sample(lenet):
    shapes = infer_shapes(lenet.model)
    assert shapes["data"] == (1, 1, 12, 12)
    assert shapes["pool1"] == (1, 8, 5, 5)
    assert shapes["flat"] == (1, 192)
    assert shapes["ip1/weight"] == (20, 192)
    assert lenet.model.graph.inputs[0].shape[0] != 1  # the graph itself keeps its batch


def test_targets_of_reshapes_are_followed(tokens):
    shapes = infer_shapes(tokens.model)
    assert shapes["tokens"] == (100, 8)
    assert shapes["pixels"] == (1, 100, 4)


def test_what_depends_on_the_data_is_left_out(build):
    network = build([("NonZero", ["x"], ["y"], {})], {"w": np.ones(1)}, {"x": (4,)}, {"y": (4,)})
    assert set(infer_shapes(network.model)) == {"x", "w"}


def test_inputs_without_sizes(lenet):
    lenet.model.graph.inputs[0].shape = ir.Shape(["N", 1, "H", 12])
    with pytest.raises(ModelError) as caught:
        infer_shapes(lenet.model)
    assert str(caught.value) == (
        "graph input 'data' has no fixed size on axis 2; give the size of one sample "
        "(--input-shape) or export the model with fixed sizes"
    )
    lenet.model.graph.inputs[0].shape = None
    with pytest.raises(ModelError) as caught:
        infer_shapes(lenet.model)
    assert str(caught.value) == "graph input 'data' has no shape; export it with fixed sizes"
