"""Records: both layer formats, inputs, phases, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.network import Destination, Source
from prunus.plugin import parse_protobuf_text
from prunus.testing import cut
from prunus_caffe.detect import is_caffe
from prunus_caffe.read import load
from prunus_caffe.records.structure import V1_TYPES, read_structure, structure
from prunus_caffe.schema import descriptor
from prunus_caffe.testing import CaffeJob, relative_error, run_caffe
from prunus_caffe.write import write


def net(text: str):
    return structure(parse_protobuf_text(text, Path("net.prototxt")))


RELU = 'layer { name: "r" type: "ReLU" bottom: "x" top: "y" }'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "net.prototxt: expected at least one 'layer { }', found none"),
        ("net: 'a' base_lr: 1", "net.prototxt: expected a network, found a solver; "
         "give the file its 'net' names"),
        ("layer: 5", "net.prototxt:1: expected '{' after 'layer'"),
        ("\nlayer { type: 'ReLU' }", "net.prototxt:2: expected a 'name' in the layer, found none"),
        ("layer { name: 'a' }", "net.prototxt:1: expected a 'type' in layer 'a', found none"),
        ("layers { layer { name: 'a' } }", "net.prototxt:1: this is the layer format of 2013 (V0); "
         "upgrade the file with Caffe's upgrade_net_proto_text"),
        ("layer { name: 'a' name: 'b' }", "net.prototxt:1: expected 'name' once, it is given in line 1 too"),
        ("layer { name: a }", "net.prototxt:1: expected a quoted string for 'name', found 'a'"),
        ("layer { convolution_param { num_output: -4 } }",
         "net.prototxt:1: expected an integer for 'num_output', found '-4'"),
        ("layer { convolution_param { bias_term: maybe } }",
         "net.prototxt:1: expected true or false for 'bias_term', found 'maybe'"),
        ("layer {\n dropout_param {\n dropout_ratio: 'x' } }",
         "net.prototxt:3: expected a number for 'dropout_ratio', found ''x''"),
        ("layer { convolution_param: 3 }", "net.prototxt:1: expected '{' after 'convolution_param'"),
        ("layer { name { } }", "net.prototxt:1: expected a value for 'name', found a block"),
        ("layer { name: ['a', 'b'] }", "net.prototxt:1: expected one value for 'name', found a list"),
        (f"input: 'x' input_dim: 1 input_dim: 2 {RELU}",
         "net.prototxt: expected four 'input_dim' (or one 'input_shape') for each of 1 'input', "
         "found 2 'input_dim' and 0 'input_shape'"),
    ],
)  # fmt: skip
def test_broken_text(text: str, message: str) -> None:
    with pytest.raises(ModelError) as error:
        net(text)
    assert str(error.value) == message


def test_v1_types_are_all_translated() -> None:
    values = descriptor("V1LayerParameter").enum_types_by_name["LayerType"].values
    assert {value.name for value in values} - {"NONE"} == set(V1_TYPES)


def test_v1_layer_by_number_and_shared_names() -> None:
    layer = net("layers { name: 'a' type: 4 param: 'w' param: 'b' }").layers[0]
    assert (layer.type, layer.v1, layer.shared) == ("Convolution", True, ("w", "b"))


def test_unknown_fields_and_enum_values_do_not_stop_reading() -> None:
    layer = net(
        "layer { name: 'a' type: 'Eltwise' eltwise_param { operation: MIN new: 1 } other { x: 2 } }"
    ).layers[0]
    assert layer.unknown == ("eltwise_param.new", "other")
    assert layer.foreign == ("eltwise_param.operation is 'MIN'",)


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("input: 'x' input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4", {"x": (1, 2, 3, 4)}),
        ("input: 'x' input: 'y' input_shape { dim: 1 dim: 9 }", {"x": (1, 9), "y": (1, 9)}),
        ("input: 'x' input: 'y' input_shape { dim: 1 } input_shape { dim: 2 dim: 3 }",
         {"x": (1,), "y": (2, 3)}),
    ],
)  # fmt: skip
def test_inputs(text: str, inputs: dict[str, tuple[int, ...]]) -> None:
    found = net(f"{text} {RELU}").inputs
    assert {blob.name: blob.dims for blob in found} == inputs


def rule(text: str) -> str:
    return f"layer {{ name: 'a' type: 'ReLU' {text} }}"


@pytest.mark.parametrize(
    ("text", "train", "test", "staged"),
    [
        ("", True, True, True),
        ("include { phase: TRAIN }", True, False, False),
        ("exclude { phase: TRAIN }", False, True, True),
        ("include { phase: TRAIN } include { phase: TEST }", True, True, True),
        ("include { stage: 's' }", False, False, True),
        ("exclude { stage: 's' }", True, True, False),
        ("include { not_stage: 's' }", True, True, False),
        ("include { min_level: 1 }", False, False, True),
        ("include { max_level: 0 }", True, True, False),
        ("exclude { phase: TEST min_level: 1 }", True, True, False),
    ],
)
def test_phases(text: str, train: bool, test: bool, staged: bool) -> None:
    record = net(rule(text))
    assert bool(record.phase("TRAIN")) is train
    assert bool(record.phase("TEST")) is test
    assert bool(record.phase("TEST", level=1, stages=("s",))) is staged


def test_state_of_the_file_counts() -> None:
    record = net("state { level: 1 stage: 's' }" + rule("include { stage: 's' min_level: 1 }"))
    assert record.phase("TEST")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.prototxt", f"name: 'n'\n{RELU}", True),
        ("a.prototxt", f"# c\n\ninput: 'x'\n{RELU}", True),
        ("a.prototxt", "net: 'b.prototxt'\nbase_lr: 1", False),
        ("a.prototxt", "workspace: 'w'\nmodel: 'm'", False),
        ("a.cfg", f"name: 'n'\n{RELU}", False),
        ("a.pbtxt", "node {\n  name: 'x'\n  op: 'Placeholder'\n}", False),
        ("a.prototxt", "\0\1", False),
        ("a.prototxt", "", False),
    ],
)
def test_detect(name: str, text: str, expected: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert is_caffe(path) is expected


def test_detect_never_raises(tmp_path: Path) -> None:
    assert not is_caffe(tmp_path)
    assert not is_caffe(tmp_path / "missing.prototxt")


TWICE = """
input: "data" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 } }
layer { name: "act" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "act" type: "Sigmoid" bottom: "conv" top: "squeezed" }
layer { name: "ip" type: "InnerProduct" bottom: "squeezed" top: "ip"
  inner_product_param { num_output: 5 } }
layer { name: "act" type: "TanH" bottom: "ip" top: "out" }
"""


def test_layers_of_one_name_without_weights_are_told_apart(tmp_path):
    path = tmp_path / "twice.prototxt"
    path.write_text(TWICE)
    names = [layer.name for layer in read_structure(path).layers]
    assert names == ["conv", "act", "act#2", "ip", "act#3"]
    phases = "layer { name: 'd' type: 'Data' top: 'x' include { phase: TRAIN } }\n"
    path.write_text(TWICE + phases + phases.replace("TRAIN", "TEST"))
    assert [layer.name for layer in read_structure(path).layers][-2:] == ["d", "d"]


@pytest.mark.caffe
def test_layers_of_one_name_in_real_caffe(tmp_path, caffe):
    path = tmp_path / "twice.prototxt"
    path.write_text(TWICE)
    network = load(Source(path, None, {"weights": "random"}))
    pruned = cut(network, 0.5)
    folders = {stage: tmp_path / stage for stage in ("masked", "compact")}
    for folder in folders.values():
        folder.mkdir()
    masked, small = (
        write(pruned.masked, pruned.compact, Destination(folder, stage))
        for stage, folder in folders.items()
    )
    assert small.model.read_text() == TWICE.replace("num_output: 8", "num_output: 4")
    inputs = random_inputs(network.model, 2, 0)
    first, second = run_caffe(
        [CaffeJob(one.model, one.weights, inputs, ("out",)) for one in (masked, small)], caffe
    )
    assert relative_error(second["out"], first["out"]) <= 1e-5
    ours = Session(pruned.masked.model, ("out",)).run(inputs)["out"]
    assert relative_error(ours, first["out"]) <= 1e-5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{RELU}\n{RELU.replace('layer', 'layeer')}",
         "net.prototxt:2: unknown field 'layeer'; did you mean 'layer'?"),
        (f"inputt_dim: 3 {RELU}",
         "net.prototxt:1: unknown field 'inputt_dim'; did you mean 'input_dim'?"),
        (f"state {{ stagee: 'a' }} {RELU}",
         "net.prototxt:1: unknown field 'state.stagee'; did you mean 'stage'?"),
    ],
)  # fmt: skip
def test_a_misspelt_field_outside_layers_is_not_dropped(text, message):
    with pytest.raises(ModelError) as error:
        net(text)
    assert str(error.value) == message
