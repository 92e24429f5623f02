from __future__ import annotations

import onnx
import pytest

import prunus
from prunus.formats.onnx_save import save_standalone
from prunus.testing.nets import NETS, as_network


def sizes(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("form", ["lenet", "yolov3"])
def test_outputs_have_a_shape_and_nothing_is_listed_without_one(form, tmp_path):
    network = as_network(NETS[form](0))
    prunus.export(network, tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.HasField("shape")
        assert sizes(value)[0] == "N"
        assert all(isinstance(size, int) and size > 0 for size in sizes(value)[1:])
    assert all(value.type.tensor_type.HasField("shape") for value in graph.value_info)


def test_a_file_of_one_sample(tmp_path):
    network = as_network(NETS["lenet"](0))
    save_standalone(network.model, tmp_path / "one.onnx", single=True)
    graph = onnx.load(tmp_path / "one.onnx").graph
    assert sizes(graph.input[0])[0] == 1
    assert sizes(graph.output[0])[0] == 1
    assert str(network.model.graph.inputs[0].shape[0]) == "N"  # the network stays as it is
