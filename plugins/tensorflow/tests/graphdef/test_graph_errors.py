"""Bad files: one line that names file and node and says how to mend it."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.errors import ModelError, PrunusError, UsageError
from prunus.network import Compact, Destination, Source

_SPEC = importlib.util.spec_from_file_location(
    "graphdef_networks_for_errors", Path(__file__).parent / "networks.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
networks = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(networks)

pytestmark = pytest.mark.tensorflow


def load(source: Source) -> Any:
    from prunus_tensorflow import graphdef

    return graphdef.load(source)


@pytest.fixture(scope="module")
def good(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Source:
    import importlib.util as util

    spec = util.spec_from_file_location("graphdef_tools", Path(__file__).parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Tools(tf, tmp_path_factory.mktemp("good")).make(networks.lenet(False))


def refused(source: Source, kind: type[PrunusError] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        load(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(good: Source, tmp_path: Path, old: str, new: str, **options: str) -> Source:
    text = good.model.read_text()
    assert old in text
    path = tmp_path / "changed.pbtxt"
    path.write_text(text.replace(old, new))
    return Source(path, good.weights, options)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.pbtxt"
    assert refused(Source(path)) == f"{path}: cannot be read (No such file or directory)"


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.pbtxt"
    path.write_text(" \n")
    assert refused(Source(path)) == f"{path}: the file is empty, a GraphDef was expected"


def test_cut_pbtxt_names_its_last_line(good: Source, tmp_path: Path) -> None:
    lines = good.model.read_text().splitlines(keepends=True)[:101]
    path = tmp_path / "cut.pbtxt"
    path.write_text("".join(lines))
    message = refused(Source(path, good.weights))
    assert re.fullmatch(
        rf"{re.escape(str(path))}, line 10[12]: the text ends inside a message "
        r"\(.*\): the file is cut",
        message,
    )


def test_broken_pbtxt_names_the_line(good: Source, tmp_path: Path) -> None:
    text = good.model.read_text()
    line = text[: text.index('op: "Conv2D"')].count("\n") + 1
    source = changed(good, tmp_path, 'op: "Conv2D"', 'op= "Conv2D"')
    assert refused(source) == f'{source.model}, line {line}: \' op= "Conv2D"\': Expected ":".'


def test_binary_that_is_no_graph(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    path = tmp_path / "net.pb"
    path.write_bytes(random.Random(0).randbytes(3000))
    assert refused(Source(path)) == (
        f"{path}: not a complete GraphDef: the file is cut or damaged, or of another kind"
    )


def test_no_checkpoint_given(good: Source) -> None:
    assert refused(Source(good.model)) == (
        f"{good.model}: variable 'c1/w' has its value in a checkpoint: give --weights"
    )


def test_checkpoint_missing(good: Source, tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert refused(Source(good.model, path)) == (
        f"{path}: no such checkpoint (neither none.index nor a V1 file)"
    )


def test_checkpoint_of_another_graph(good: Source, tools: Any) -> None:
    other = tools.make(networks.towers(False), name="other")
    assert refused(Source(good.model, other.weights)) == (
        f"{other.weights}: 8 of the 8 variables of {good.model} are missing: it is the checkpoint "
        "of another graph"
    )


def test_one_variable_missing(good: Source, tools: Any, tmp_path: Path) -> None:
    reader = tools.tf.train.load_checkpoint(str(good.weights))
    names = sorted(set(reader.get_variable_to_shape_map()) - {"c2/b"})
    prefix = tmp_path / "less"
    tools.tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[reader.get_tensor(name) for name in names],
    )
    assert refused(Source(good.model, prefix)) == (
        f"{prefix}: variable 'c2/b' of {good.model} is missing"
    )


def test_wrong_shape(good: Source, tools: Any, tmp_path: Path) -> None:
    reader = tools.tf.train.load_checkpoint(str(good.weights))
    names = sorted(reader.get_variable_to_shape_map())
    values = [reader.get_tensor(name) for name in names]
    values[names.index("c2/w")] = np.zeros((3, 3, 6, 9), np.float32)
    prefix = tmp_path / "shape"
    tools.tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=values,
    )
    assert refused(Source(good.model, prefix)) == (
        f"{prefix}: variable 'c2/w' has shape [3, 3, 6, 9], {good.model} says [3, 3, 6, 8]"
    )


def test_not_a_number_in_the_weights(good: Source, tools: Any, tmp_path: Path) -> None:
    reader = tools.tf.train.load_checkpoint(str(good.weights))
    names = sorted(reader.get_variable_to_shape_map())
    values = [reader.get_tensor(name).copy() for name in names]
    values[names.index("f1/w")][3, 4] = np.nan
    prefix = tmp_path / "nan"
    tools.tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=values,
    )
    assert refused(Source(good.model, prefix)) == (
        f"{prefix}: variable 'f1/w' holds values that are not finite"
    )


@pytest.mark.parametrize("part", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_checkpoint(good: Source, tmp_path: Path, part: str, share: float) -> None:
    for name in (".index", ".data-00000-of-00001"):
        content = Path(f"{good.weights}{name}").read_bytes()
        keep = int(len(content) * share) if name == part else len(content)
        (tmp_path / f"cut{name}").write_bytes(content[:keep])
    message = refused(Source(good.model, tmp_path / "cut"))
    assert message.startswith(f"{tmp_path / 'cut'}: ")


def test_unknown_nodes_are_suggested(good: Source) -> None:
    source = Source(good.model, good.weights, {"output_nodes": "outt"})
    assert refused(source) == (f"{good.model}: the graph has no node 'outt' (did you mean 'out'?)")


def test_shapes_that_cannot_be_read(good: Source) -> None:
    source = Source(good.model, good.weights, {"input_node_shapes": "1,a"})
    assert refused(source, UsageError) == (
        "input_node_shapes '1,a' cannot be read: write 1,32,32,1, several with ':'"
    )


def test_shapes_that_do_not_fit(good: Source) -> None:
    source = Source(good.model, good.weights, {"input_node_shapes": "1,14,14,1"})
    assert refused(source) == (
        f"{good.model}: node 'Reshape' cannot reshape [batch, 3, 3, 8] to [-1, 32]: is the "
        "input's shape right (input_node_shapes)?"
    )


def test_input_without_a_shape(tools: Any) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, None, None, 3], name="x")
        w = tf1.get_variable("w", [3, 3, 3, 4], use_resource=False)
        tf.nn.relu(tf.nn.conv2d(x, w, 1, "SAME"), name="out")

    source = tools.make(build)
    assert refused(source) == (
        f"{source.model}: input 'x' has no full shape in the graph: give input_node_shapes, such "
        "as 1,224,224,3"
    )


def test_training_mode_batch_norm_is_refused(tools: Any) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, 4, 4, 3], name="x")
        w = tf1.get_variable("w", [3, 3, 3, 4], use_resource=False)
        one, zero = (tf1.get_variable(name, [4], use_resource=False) for name in "ab")
        h = tf.nn.conv2d(x, w, 1, "SAME")
        tf1.nn.fused_batch_norm(h, one, zero, is_training=True, name="bn")

    source = tools.make(build)
    assert refused(source) == (
        f"{source.model}: node 'bn' (FusedBatchNormV3) normalises with batch statistics "
        "(is_training is true): export the graph with is_training=False"
    )


def test_output_that_needs_labels(tools: Any) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        labels = tf1.placeholder(tf.int32, [None], name="labels")
        w = tf1.get_variable("w", [4, 3], use_resource=False)
        logits = tf.matmul(x, w, name="logits")
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        tf.reduce_mean(loss, name="loss")

    source = tools.make(build)
    assert load(source).origin.outputs == ("logits",)
    asked = Source(source.model, source.weights, {"output_nodes": "loss"})
    assert "logits" in load(asked).origin.outputs


def test_dangling_input(good: Source, tmp_path: Path) -> None:
    source = changed(good, tmp_path, 'input: "Elu"', 'input: "Gone"')
    assert refused(source) == (
        f"{source.model}: node 'Reshape' reads 'Gone', which is not in the graph"
    )


def test_frozen_graph_takes_no_weights(tools: Any) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        tf.matmul(x, tf.constant(np.eye(4, 3, dtype="f4")), name="out")

    source = tools.make(build)
    assert source.weights is None
    message = refused(Source(source.model, Path("some.ckpt")))
    assert message == (
        f"{source.model}: the graph has no variables (it is frozen), so it takes no weights from "
        "some.ckpt"
    )


def test_unknown_op_is_a_barrier_with_a_reason(tools: Any, tmp_path: Path) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, 6, 6, 2], name="x")

        def conv(h: Any, name: str, i: int, o: int) -> Any:
            w = tf1.get_variable(name, [3, 3, i, o], use_resource=False)
            return tf.nn.relu(tf.nn.conv2d(h, w, 1, "SAME"))

        h = conv(conv(x, "w1", 2, 6), "w2", 6, 4)
        h = tf.cumsum(h, 1, name="odd")
        h = conv(conv(h, "w3", 4, 8), "w4", 8, 3)
        tf.reduce_mean(h, [1, 2], name="out")

    source = tools.make(build)
    network = load(source)
    assert "node 'odd' of type 'Cumsum' stays as it is: op Cumsum is not known" in network.notes
    assert list(network.frozen.values()) == ["feeds opaque node 'odd' (Cumsum)"]
    assert sorted(value.name for value in network.model.graph.inputs) == ["odd", "x"]
    masked, smaller, written = tools.halve(network, tmp_path / "half")
    assert {"Conv2D/weight", "Conv2D_2/weight"} <= set(smaller.kept)
    (tmp_path / "masked").mkdir()
    from prunus_tensorflow import graphdef

    full = graphdef.write(
        masked, Compact(masked.model, {}), Destination(tmp_path / "masked", "masked")
    )
    feed = {"x": np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype("f4")}
    one = tools.run(full.model, full.weights, ("out",), feed)[0]
    two = tools.run(written.model, written.weights, ("out",), feed)[0]
    assert np.abs(one - two).max() < 1e-5 * np.abs(one).max()


def test_computed_weights_are_not_cut(tools: Any) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, 6, 6, 2], name="x")
        w1, w2, w3 = (
            tf1.get_variable(name, [3, 3, i, o], use_resource=False)
            for name, i, o in (("w1", 2, 6), ("w2", 6, 4), ("w3", 4, 2))
        )
        h = tf.nn.relu(tf.nn.conv2d(x, w1, 1, "SAME"))
        h = tf.nn.relu(tf.nn.conv2d(h, w2 * tf.sqrt(2.0 / 54), 1, "SAME", name="scaled"))
        tf.nn.conv2d(h, w3, 1, "SAME", name="out")

    network = load(tools.make(build))
    assert set(network.frozen.values()) == {
        "weights of 'scaled' are computed by the graph, not stored"
    }


def test_damaged_text_never_ends_in_a_traceback(good: Source, tmp_path: Path) -> None:
    text = good.model.read_bytes()
    draw = random.Random(7)
    path = tmp_path / "damaged.pbtxt"
    for _ in range(40):
        content = bytearray(text)
        for _ in range(draw.randint(1, 4)):
            position = draw.randrange(len(content))
            content[position : position + draw.randint(0, 30)] = draw.randbytes(draw.randint(0, 5))
        path.write_bytes(bytes(content))
        with contextlib.suppress(PrunusError):
            load(Source(path, good.weights))


def test_damaged_binary_never_ends_in_a_traceback(good: Source, tools: Any, tmp_path: Path) -> None:
    from google.protobuf import text_format

    graph = text_format.Parse(good.model.read_text(), tools.tf.compat.v1.GraphDef())
    content = graph.SerializeToString()
    draw = random.Random(11)
    path = tmp_path / "damaged.pb"
    for turn in range(40):
        changed = bytearray(content)
        for _ in range(draw.randint(1, 3)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        stop = draw.randrange(len(changed)) if turn % 4 == 0 else len(changed)
        path.write_bytes(bytes(changed[:stop]))
        with contextlib.suppress(PrunusError):
            load(Source(path, good.weights))


def test_tied_weight_in_two_layouts_is_left_whole(tools: Any, tmp_path: Path) -> None:
    def build(tf: Any, tf1: Any) -> None:
        x = tf1.placeholder(tf.float32, [None, 8], name="x")
        first, tied, last = (
            tf1.get_variable(name, shape, use_resource=False)
            for name, shape in (("a", [8, 6]), ("t", [6, 6]), ("b", [6, 4]))
        )
        h = tf.nn.relu(tf.matmul(x, first))
        h = tf.nn.relu(tf.matmul(h, tied))
        h = tf.nn.relu(tf.matmul(h, tied, transpose_b=True))
        tf.matmul(h, last, name="out")

    network = load(tools.make(build))
    assert "t" not in {binding.index for binding in network.bindings.values()}
    assert len(network.frozen) == 4


def test_frozen_file_that_changed_meanwhile(tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = tools.make(networks.lenet(False))
    network = load(source)
    destination = Destination(tmp_path, "compact", "a.pbtxt", {"frozen": "yes"})
    written = graphdef.write(network, Compact(network.model, {}), destination)
    (path,) = [one for one in written.others if one.suffix == ".pb"]
    frozen = load(Source(path))
    path.write_bytes(path.read_bytes() + b"\x22\x00")
    with pytest.raises(ModelError) as caught:
        graphdef.write(frozen, Compact(frozen.model, {}), Destination(tmp_path, "masked", "b.pb"))
    assert str(caught.value) == f"{path}: changed since it was read: run the step again"
