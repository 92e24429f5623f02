"""What the neutral graph holds: names, inputs, outputs, what is cut off and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.network import Network, Source
from prunus_caffe.origin import Origin
from prunus_caffe.read import load

INPUT = 'input: "data" input_dim: 4 input_dim: 3 input_dim: 12 input_dim: 12\n'
DATA = (
    'layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }'
    " transform_param { crop_size: 12 } data_param { source: 'no' batch_size: 4 backend: LMDB } }\n"
)


def layer(name: str, kind: str, bottoms: str, tops: str, param: str = "") -> str:
    text = f'layer {{ name: "{name}" type: "{kind}" '
    text += " ".join(f'bottom: "{b}"' for b in bottoms.split())
    return text + " " + " ".join(f'top: "{t}"' for t in tops.split()) + f" {param} }}\n"


def conv(name: str, bottom: str, top: str, outputs: int = 4, extra: str = "") -> str:
    param = f"convolution_param {{ num_output: {outputs} kernel_size: 3 pad: 1 {extra} }}"
    return layer(name, "Convolution", bottom, top, param)


def fc(name: str, bottom: str, top: str, outputs: int = 2, more: str = "") -> str:
    return layer(
        name, "InnerProduct", bottom, top, f"inner_product_param {{ num_output: {outputs} }}{more}"
    )


@pytest.fixture
def net(tmp_path: Path):
    def make(text: str, **options: str) -> Network:
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        network = load(Source(path, None, {"weights": "random", **options}))
        for count in (1, 3):  # runs at any batch size
            Session(network.model).run(random_inputs(network.model, count, 0))
        return network

    return make


def inputs(network: Network) -> list[str]:
    return [value.name for value in network.model.graph.inputs]


def outputs(network: Network) -> list[str]:
    return [value.name for value in network.model.graph.outputs]


def record(network: Network):
    assert isinstance(network.origin, Origin)
    return network.origin.net


def test_names_of_nodes_values_and_weights(net) -> None:
    network = net(
        INPUT + conv("c", "data", "c") + layer("bn", "BatchNorm", "c", "c")
        + layer("s", "Scale", "c", "c", "scale_param { bias_term: true }")
        + layer("r", "ReLU", "c", "c") + fc("ip", "c", "ip")
    )  # fmt: skip
    nodes = {node.name: [v.name for v in node.outputs] for node in network.model.graph}
    assert nodes == {
        "c": ["c"], "bn": ["c@bn"], "s": ["s:0"], "s/bias": ["c@s"], "r": ["c@r"],
        "ip/flatten": ["ip/flatten:0"], "ip": ["ip"],
    }  # fmt: skip
    assert set(network.bindings) == {
        "c/weight", "c/bias", "bn/mean", "bn/variance", "s/scale", "s/shift", "ip/weight", "ip/bias"
    }  # fmt: skip
    assert network.layers["s"] == ("s", "s/bias")
    assert network.model.graph.inputs[0].shape[0].value == "N"
    assert record(network).parameters["s", 1] == "s/shift"


def test_losses_and_labels_are_not_in_the_graph(net) -> None:
    network = net(
        DATA + fc("ip", "data", "ip") + layer("acc", "Accuracy", "ip label", "acc")
        + layer("loss", "SoftmaxWithLoss", "ip label", "loss")
    )  # fmt: skip
    assert (inputs(network), outputs(network)) == (["data"], ["ip"])
    assert network.frozen == {}
    assert record(network).feeds["loss"] == ("ip", None)
    assert record(network).sample_shapes == {"data": (3, 12, 12)}


def test_sliced_labels_stay_labels(net) -> None:
    network = net(
        'layer { name: "d" type: "HDF5Data" top: "both" top: "data" hdf5_data_param { source: "no" } }\n'
        + layer("s", "Slice", "both", "a b")
        + fc("ip", "data", "ip")
        + layer("l1", "EuclideanLoss", "ip a", "l1")
        + layer("l2", "EuclideanLoss", "ip b", "l2"),
        **{"input-shape": "data:7"},
    )
    assert (inputs(network), outputs(network)) == (["data"], ["ip"])


def test_every_head_is_an_output(net) -> None:
    network = net(
        INPUT + fc("a", "data", "a") + fc("b", "data", "b") + layer("p", "Softmax", "b", "p")
    )
    assert outputs(network) == ["a", "p"]


def test_opaque_end(net) -> None:
    network = net(INPUT + conv("c", "data", "c") + layer("x", "Foo", "c", "x"))
    assert outputs(network) == ["c"]
    assert network.frozen == {"c": "feeds opaque layer 'x' of type 'Foo'"}
    assert network.notes == (
        "layer 'x' of type 'Foo' stays as it is (its type is not known): nothing that feeds it is pruned",
    )


def test_opaque_middle(net) -> None:
    network = net(
        INPUT + conv("c", "data", "c") + layer("x", "Foo", "c", "c") + conv("e", "c", "e")
        + layer("y", "Bar", "e", "y")
    )  # fmt: skip
    assert inputs(network) == ["data", "c@x"]
    assert outputs(network) == ["c", "e"]
    assert list(network.frozen) == ["c", "e"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (layer("x", "Eltwise", "c c", "x", "eltwise_param { operation: MIN }"),
         "eltwise_param.operation is 'MIN'"),
        (layer("x", "Pooling", "c", "x", "pooling_param { kernel_size: 2 pool: STOCHASTIC }"),
         "stochastic pooling has no test-time form in Caffe on a CPU"),
        (layer("x", "Pooling", "c", "x m", "pooling_param { kernel_size: 2 }"),
         "it gives the positions of its maxima"),
        (layer("x", "Reduction", "c", "x"), "it adds up the samples of a batch (axis 0)"),
        (layer("x", "Reshape", "c", "x", "reshape_param { shape { dim: 2 dim: -1 } }"),
         "it mixes the samples of a batch"),
        (layer("x", "Concat", "c c", "x", "concat_param { axis: 0 }"),
         "it joins the samples of batches (axis 0)"),
        (layer("x", "Threshold", "c", "x"), "its type is not known"),
    ],
)  # fmt: skip
def test_layers_that_cannot_be_lowered_here_are_opaque(net, text: str, reason: str) -> None:
    network = net(INPUT + conv("c", "data", "c") + text)
    kind = network.notes[0].split("'")[3]
    assert network.frozen == {"c": f"feeds opaque layer 'x' of type '{kind}'"}
    assert f"({reason})" in network.notes[0]


def test_layers_of_training_alone_keep_what_they_read(net) -> None:
    train = "include { phase: TRAIN }"
    network = net(
        DATA + conv("c", "data", "c") + fc("ip", "c", "ip")
        + layer("aux", "InnerProduct", "c", "aux", f"inner_product_param {{ num_output: 2 }} {train}")
        + layer("loss", "SoftmaxWithLoss", "ip label", "loss", train)
    )  # fmt: skip
    assert outputs(network) == ["c", "ip"]
    assert network.frozen == {"c": "feeds layer 'aux' of the TRAIN phase"}
    assert record(network).feeds["loss"] == ("ip", None)


def test_detection_head_is_cut_off_and_prior_boxes_cost_nothing(net) -> None:
    network = net(
        INPUT + conv("c", "data", "c") + conv("loc", "c", "loc", 8) + layer("f", "Flatten", "loc", "f")
        + conv("conf", "c", "conf", 8) + layer("g", "Flatten", "conf", "g")
        + layer("p1", "PriorBox", "c data", "p1", "prior_box_param { min_size: 3 }")
        + layer("p2", "PriorBox", "loc data", "p2", "prior_box_param { min_size: 3 }")
        + layer("p", "Concat", "p1 p2", "p", "concat_param { axis: 2 }")
        + layer("out", "DetectionOutput", "f g p", "out", "detection_output_param { num_classes: 2 }")
    )  # fmt: skip
    assert outputs(network) == ["f", "g"]
    assert set(network.frozen.values()) == {"feeds DetectionOutput layer 'out'"}
    assert record(network).feeds["out"] == ("f", "g", None)


def test_dropout_is_told_and_left_out(net) -> None:
    network = net(
        INPUT + fc("a", "data", "a") + layer("r", "ReLU", "a", "a")
        + layer("d", "Dropout", "a", "a", "dropout_param { dropout_ratio: 0.3 }")
        + layer("e", "Dropout", "a", "b") + fc("z", "b", "z")
    )  # fmt: skip
    assert record(network).dropout == {"a@r": 0.3, "b": 0.5}
    assert "Dropout" not in {node.op_type for node in network.model.graph}


def test_shared_weights_are_one_initializer(net) -> None:
    shared = ' param { name: "w" } param { name: "b" }'
    network = net(INPUT + fc("a", "data", "a", 2, shared) + fc("b", "data", "b", 2, shared))
    assert set(network.weights()) == {"a/weight", "a/bias"}
    assert record(network).parameters["b", 0] == "a/weight"


def test_training_file_alone_is_read_in_its_own_phase(net) -> None:
    network = net(DATA.replace("TEST", "TRAIN") + fc("ip", "data", "ip"))
    assert network.notes == (
        "the file has no data for the TEST phase: its TRAIN phase is used",
        "the samples of layer 'd' cannot be read here: input 'data' is taken as 3x12x12, told by its crop or "
        "new size, with three channels; if it is another: --option input-shape=data:CxHxW",
    )


def test_batch_statistics_are_replaced_with_a_note(net) -> None:
    network = net(
        INPUT
        + layer("bn", "BatchNorm", "data", "bn", "batch_norm_param { use_global_stats: false }")
    )
    assert "use_global_stats: false" in network.notes[0]


def test_unread_fields_are_told(net) -> None:
    network = net(INPUT + conv("c", "data", "c", 4, "new_field: 1"))
    assert network.notes == (
        "layer 'c': convolution_param.new_field is kept in the file but not read",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (INPUT + fc("ip", "nowhere", "ip"), "{m}:2: layer 'ip': expected a layer before it with top "
         "'nowhere', found none in this phase"),
        (INPUT + fc("ip", "data", "ip") + fc("ip", "data", "b"),
         "{m}:3: layer name 'ip' is taken by line 2, and Caffe gives the weights of both to that one; rename one of them, in its caffemodel too"),
        (fc("ip", "data", "ip"), "{m}: expected an 'input', an Input layer or a data layer, found none"),
        (INPUT, "{m}: expected at least one 'layer {{ }}', found none"),
        (INPUT + layer("s", "Silence", "data", ""),
         "{m}: expected a network that computes something, found none"),
        (DATA.replace("crop_size: 12", "") + fc("ip", "data", "ip"),
         "{m}:1: layer 'd': the size of its samples is neither in the file nor in readable data "
         "(no: no such database (layer 'd'); paths in a prototxt start from the directory Caffe "
         "runs in, change there or give --data); "
         "give it: --option input-shape=data:CHANNELSxHEIGHTxWIDTH"),
        (INPUT.replace("input_dim: 3", "input_dim: 0") + fc("ip", "data", "ip"),
         "{m}: input 'data': expected sizes of at least 1, found [4, 0, 12, 12]"),
        (INPUT + layer("c", "Convolution", "data", "c", "convolution_param { kernel_size: 3 }"),
         "{m}:2: layer 'c': expected a 'num_output' of at least 1 in convolution_param"),
        (INPUT + layer("c", "Convolution", "data", "c", "convolution_param { num_output: 2 }"),
         "{m}:2: layer 'c': expected one 'kernel_size' or 2, each at least 1, in convolution_param"),
        (INPUT + conv("c", "data", "c", 4, "group: 2"),
         "{m}:2: layer 'c': expected 'group' 2 to divide 3 input channels and num_output 4"),
        (INPUT + conv("c", "data", "c", 4, "stride: 2 dilation: 9"),
         "{m}:2: layer 'c': its window does not fit into the (12, 12) input"),
        (INPUT + layer("p", "Pooling", "data", "p"),
         "{m}:2: layer 'p': expected a 'kernel_size' of at least 1 in pooling_param"),
        (INPUT + conv("c", "data", "c") + layer("e", "Eltwise", "data c", "e"),
         "{m}:3: layer 'e': expected bottoms of one shape, found (4, 3, 12, 12) and (4, 4, 12, 12)"),
        (INPUT + layer("s", "Slice", "data", "a b"),
         "{m}:2: layer 's': expected axis 1 of size 3 to part into 2 equal tops"),
        (INPUT + layer("s", "Slice", "data", "a b", "slice_param { slice_point: 5 }"),
         "{m}:2: layer 's': expected 1 rising 'slice_point' below 3, found [5]"),
        (INPUT + layer("r", "Reshape", "data", "r", "reshape_param { shape { dim: 0 dim: 5 } }"),
         "{m}:2: layer 'r': cannot reshape (4, 3, 12, 12) into [4, 5]"),
        (INPUT + layer("l", "LRN", "data", "l", "lrn_param { local_size: 4 }"),
         "{m}:2: layer 'l': expected an odd 'local_size' in lrn_param, found 4"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit_together(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        load(Source(path, None, {"weights": "random"}))
    assert str(error.value) == words.format(m=path)


def test_input_shape_option(net) -> None:
    text = DATA.replace("crop_size: 12", "") + fc("ip", "data", "ip")
    assert record(net(text, **{"input-shape": "1x28x28"})).sample_shapes == {"data": (1, 28, 28)}
    with pytest.raises(ModelError) as error:
        net(text, **{"input-shape": "data:1x?x28"})
    assert str(error.value) == (
        "input-shape=data:1x?x28: expected BLOB:CHANNELSxHEIGHTxWIDTH, such as data:3x224x224"
    )
