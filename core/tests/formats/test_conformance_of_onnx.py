"""The built-in format passes what plugins' formats have to pass."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from prunus.network import Source
from prunus.testing import Examples, Unknown, format_checks
from prunus.testing.nets import NETS

SHARED = Path(os.environ.get("PRUNUS_SHARED", Path(__file__).parents[4] / "shared"))
MODELS = SHARED / "data/models/onnx"


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


def generated(directory, name):
    path = directory / f"{name}.onnx"
    if not path.exists():
        ir.save(NETS[name](0), path)
    return Source(path)


def unknown(directory):
    """Two operators that no rule knows, in the middle of a net."""
    info = helper.make_tensor_value_info
    weight = helper.make_tensor("w", TensorProto.FLOAT, (4, 3, 1, 1), [0.5] * 12)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("CumSum", ["a", "axis"], ["b"], name="adds_up"),
        helper.make_node("Conv", ["x", "w2"], ["c"], name="conv2"),
        helper.make_node("Trilu", ["c"], ["d"], name="cuts_off"),
        helper.make_node("Add", ["b", "d"], ["y"], name="join"),
    ]
    graph = helper.make_graph(
        nodes,
        "unknown",
        [info("x", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [info("y", TensorProto.FLOAT, ["N", 4, 4, 4])],
        [
            weight,
            helper.make_tensor("w2", TensorProto.FLOAT, (4, 3, 1, 1), [0.25] * 12),
            helper.make_tensor("axis", TensorProto.INT64, (), [1]),
        ],
    )
    path = directory / "unknown.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return Unknown(Source(path), ("adds_up", "cuts_off"))


NAMES = ("lenet", "resnet_padded", "shufflenet_v2", "yolov3", "se_gemm")
SHORT = [
    check.name.removeprefix("onnx-") for check in format_checks("onnx", [Source(Path("net.onnx"))])
]
OF_A_SAMPLE = [short for short in SHORT if "[" in short]
OF_THE_FORMAT = [*(short for short in SHORT if "[" not in short), "names-unknown-layers"]


def run(checks, short, file):
    wanted = f"onnx-{short.replace('net.onnx', file)}"
    next(check for check in checks if check.name == wanted)()


@pytest.mark.parametrize("short", OF_THE_FORMAT)
def test_format(directory, short):
    run(format_checks("onnx", [], unknown(directory)), short, "")


@pytest.mark.parametrize("short", OF_A_SAMPLE)
@pytest.mark.parametrize("name", NAMES)
def test_generated(directory, name, short):
    run(format_checks("onnx", [generated(directory, name)]), short, f"{name}.onnx")


def live():
    """A model in memory."""
    return ir.to_proto(NETS["lenet"](0))


@pytest.mark.parametrize("short", ["lowers-a-model[0]", "rebuilds-a-model[0]"])
def test_in_memory(short):
    run(format_checks("onnx", [], examples=Examples(models=(live,))), short, "")


THIRD_PARTY = (
    "resnet20_cifar10.onnx",
    "mtcnn/pnet.onnx",
    "mtcnn/rnet.onnx",
    "slim-320_simplified.onnx",
    "rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx",
)
SIZES = {
    "mtcnn/pnet.onnx": "1x24x24x3",
    "rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx": "1x3x48x192",
}


@pytest.mark.shared
@pytest.mark.parametrize("short", OF_A_SAMPLE)
@pytest.mark.parametrize("file", THIRD_PARTY)
def test_third_party(file, short):
    path = MODELS / file
    if not path.is_file():
        pytest.skip(f"no shared model {file} (PRUNUS_SHARED)")
    options = {"input-shape": SIZES[file]} if file in SIZES else {}
    run(format_checks("onnx", [Source(path, options=options)]), short, path.name)
