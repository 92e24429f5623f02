"""A graph is data: what TensorFlow would run or allocate while it reads one, prunus does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.errors import ModelError
from prunus.network import Source
from prunus_tensorflow import graphdef
from prunus_tensorflow.graphdef.constants import EVALUATORS
from prunus_tensorflow.graphdef.executed import computes
from prunus_tensorflow.graphdef.rules import RULES

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow


def network(shape: str = "target") -> Any:
    """A frozen graph that reshapes its input to a constant; its GraphDef."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 4, 4, 2], name="x")
        flat = tf.reshape(x, tf.constant([-1, 32], name="target"), name="flat")
        w = tf.constant(np.ones((32, 6), "f4"), name="w")
        h = tf.nn.relu(tf.matmul(flat, w, name="fc"))
        tf.matmul(h, tf.constant(np.ones((6, 3), "f4"), name="w2"), name="out")
    message = graph.as_graph_def()
    if shape != "target":
        flat_node = next(node for node in message.node if node.name == "flat")
        flat_node.input[1] = shape
    return message


def saved(message: Any, path: Path) -> Source:
    path.write_bytes(message.SerializeToString())
    return Source(path)


def read_by_tensorflow(message: Any) -> None:
    with tf.Graph().as_default():
        tf.graph_util.import_graph_def(message, name="")


def debugging(dump: Path) -> Any:
    message = network("evil")
    evil = message.node.add(name="evil", op="DebugIdentity", input=["target"])
    evil.attr["T"].type = tf.int32.as_datatype_enum
    evil.attr["debug_urls"].list.s.append(f"file://{dump}".encode())
    evil.attr["tensor_name"].s = b"target:0"
    return message


def test_nothing_is_written_while_a_graph_is_read(tmp_path: Path) -> None:
    message = debugging(tmp_path / "dump")
    with pytest.raises(ModelError):  # the reshape's target is not known, so it stays whole
        graphdef.load(saved(message, tmp_path / "net.pb"))
    assert not (tmp_path / "dump").exists()
    read_by_tensorflow(message)  # the danger is real
    assert (tmp_path / "dump").exists()


def test_no_file_is_opened_while_a_graph_is_read(tmp_path: Path) -> None:
    """A pipe without a writer would block for ever."""
    os.mkfifo(tmp_path / "pipe")
    message = network("numbers")
    name = message.node.add(name="name", op="Const")
    name.attr["dtype"].type = tf.string.as_datatype_enum
    name.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(str(tmp_path / "pipe").encode()))
    message.node.add(name="read", op="ReadFile", input=["name"])
    numbers = message.node.add(name="numbers", op="DecodeRaw", input=["read"])
    numbers.attr["out_type"].type = tf.int32.as_datatype_enum
    with pytest.raises(ModelError):
        graphdef.load(saved(message, tmp_path / "net.pb"))


def ranged(last: int) -> Any:
    """A reshape to the number of elements of a range."""
    message = network("target2")
    kind = tf.int64.as_datatype_enum
    for name, value in (("a", 0), ("b", last), ("c", 1), ("minus", -1)):
        node = message.node.add(name=name, op="Const")
        node.attr["dtype"].type = kind
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.int64))
    node = message.node.add(name="range", op="Range", input=["a", "b", "c"])
    node.attr["Tidx"].type = kind
    node = message.node.add(name="size", op="Size", input=["range"])
    node.attr["T"].type = node.attr["out_type"].type = kind
    node = message.node.add(name="target2", op="Pack", input=["minus", "size"])
    node.attr["T"].type, node.attr["N"].i = kind, 2
    next(one for one in message.node if one.name == "flat").attr["Tshape"].type = kind
    return message


def test_a_range_that_fills_the_memory_is_not_computed(tmp_path: Path) -> None:
    assert len(graphdef.load(saved(ranged(32), tmp_path / "net.pb")).layers) > 1
    with pytest.raises(ModelError, match="are 10000000000 and 32 for"):
        graphdef.load(saved(ranged(10**10), tmp_path / "net.pb"))


def test_a_constant_of_one_number_and_a_huge_shape(tmp_path: Path) -> None:
    message = network()
    weights = next(node for node in message.node if node.name == "w").attr["value"].tensor
    del weights.tensor_shape.dim[:]
    weights.tensor_content = b""
    weights.float_val[:] = [1.0]
    for _ in range(2):
        weights.tensor_shape.dim.add(size=2_000_000)
    path = tmp_path / "net.pb"
    with pytest.raises(ModelError) as caught:
        graphdef.load(saved(message, path))
    assert str(caught.value).startswith(f"{path}: its constants: declares 16 TB, more than half of")


def test_every_operator_that_is_lowered_only_computes() -> None:
    known = [op for op in (*RULES, *EVALUATORS) if not op.startswith("_")]
    assert [op for op in known if not computes(op)] == []


@pytest.mark.parametrize(
    "op",
    [
        *("WriteFile", "ReadFile", "PyFunc", "EagerPyFunc", "PyFuncStateless", "SaveV2", "PrintV2"),
        *("RestoreV2", "Abort", "DebugIdentity", "ImmutableConst", "SqlDataset", "RpcCall", "Send"),
        *("WriteImageSummary", "MatchingFiles", "LookupTableExportV2", "InitializeTableV2"),
        *("DatasetFromGraph", "IteratorGetNext", "MergeV2Checkpoints", "RemoteCall", "NotAnOp"),
    ],
)
def test_operators_that_do_more_than_compute(op: str) -> None:
    assert not computes(op)
