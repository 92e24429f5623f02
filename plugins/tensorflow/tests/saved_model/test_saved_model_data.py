"""A SavedModel is data: TensorFlow's own loader runs it, prunus reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.errors import ModelError
from prunus.network import Destination, Source
from prunus.testing import cut
from prunus_tensorflow import saved_model
from prunus_tensorflow.testing.compare import difference, feed_for, neutral

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow


def written_by(directory: Path) -> Any:
    """An operation that writes a file, to be run by a loader."""
    return tf.io.write_file(str(directory / "written"), "owned")


def net(x: Any, resource: bool) -> Any:
    v1 = tf.compat.v1
    rng = np.random.default_rng(0)
    with v1.variable_scope("net", use_resource=resource):
        kernel = v1.get_variable("k", initializer=rng.normal(size=(3, 3, 3, 8)).astype("f4"))
        dense = v1.get_variable("d", initializer=rng.normal(size=(8, 5)).astype("f4"))
    y = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME", name="conv"))
    return tf.matmul(tf.reduce_mean(y, [1, 2]), dense, name="scores")


def first_generation(path: Path, resource: bool, evil: bool = True) -> Path:
    """A SavedModel of TensorFlow 1, with an operation to run when it is loaded."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 6, 6, 3], name="x")
        scores = net(x, resource)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(path))
        signature = v1.saved_model.predict_signature_def({"image": x}, {"scores": scores})
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={"serving_default": signature},
            main_op=tf.group(written_by(path.parent)) if evil else None,
        )
        builder.save()
    return path


def second_generation(path: Path, **signature: Any) -> Path:
    """A SavedModel of TensorFlow 2 with an optimizer beside the network."""
    module = tf.Module()
    rng = np.random.default_rng(1)
    module.k = tf.Variable(rng.normal(size=(3, 3, 3, 8)).astype("f4"), name="weight")
    module.d = tf.Variable(rng.normal(size=(8, 5)).astype("f4"), name="weight")  # the same name
    module.optimizer = tf.Module()
    module.optimizer.slot = tf.Variable(tf.zeros([3, 3, 3, 8]), name="slot")

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 3], tf.float32, name="image")])
    def serve(image: Any) -> Any:
        image = signature.get("before", lambda x: x)(image)
        y = tf.nn.relu(tf.nn.conv2d(image, module.k, 1, "SAME"))
        return {"scores": tf.matmul(tf.reduce_mean(y, [1, 2]), module.d)}

    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})
    return path


def edited(path: Path, change: Any) -> Path:
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    change(message.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    return path


def pruned(path: Path, out: Path) -> Path:
    """Load, cut, write; masked and compact agree in TensorFlow's own loader."""
    network = saved_model.load(Source(path))
    feed = feed_for(network)
    one = cut(network)
    out.mkdir()
    written = saved_model.write(one.masked, one.compact, Destination(out, "compact"))
    function = tf.saved_model.load(str(written.model)).signatures["serving_default"]
    found = function(image=tf.constant(feed["image"]))
    assert difference([found["scores"].numpy()], neutral(one.masked, feed)) < 1e-5
    return written.model


@pytest.mark.parametrize("resource", [False, True])
def test_an_operation_to_run_at_loading_is_not_run(tmp_path: Path, resource: bool) -> None:
    path = first_generation(tmp_path / "saved", resource)
    assert not (tmp_path / "written").exists()
    pruned(path, tmp_path / "out")
    assert not (tmp_path / "written").exists()
    if resource:  # the danger is real
        tf.saved_model.load(str(path))
        assert (tmp_path / "written").read_text() == "owned"


@pytest.mark.parametrize("resource", [False, True])
def test_numbers_of_the_first_generation(tmp_path: Path, resource: bool) -> None:
    path = first_generation(tmp_path / "saved", resource, evil=False)
    network = saved_model.load(Source(path))
    feed = feed_for(network)
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    wanted = function(image=tf.constant(feed["image"]))["scores"].numpy()
    assert difference(neutral(network, feed), [wanted]) < 1e-5


def test_old_optimizer_slots_do_not_matter(tmp_path: Path) -> None:
    def add_slot(meta: Any) -> None:
        nodes = meta.object_graph_def.nodes
        root = {one.local_name: one.node_id for one in nodes[0].children}
        optimizer = nodes[root["optimizer"]]
        (slot,) = (one.node_id for one in optimizer.children if one.local_name == "slot")
        optimizer.slot_variables.add(
            original_variable_node_id=root["k"], slot_name="m", slot_variable_node_id=slot
        )

    path = edited(second_generation(tmp_path / "saved"), add_slot)
    with pytest.raises(AttributeError, match="'_UserObject' object has no attribute 'add_slot'"):
        tf.saved_model.load(str(path))
    pruned(path, tmp_path / "out")


def test_variables_of_one_name_keep_their_own_values(tmp_path: Path) -> None:
    path = second_generation(tmp_path / "saved")
    network = saved_model.load(Source(path))
    feed = feed_for(network)
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    wanted = function(image=tf.constant(feed["image"]))["scores"].numpy()
    assert difference(neutral(network, feed), [wanted]) < 1e-5


def test_python_in_front_of_the_weights_is_not_run(tmp_path: Path) -> None:
    def before(image: Any) -> Any:
        x = tf.numpy_function(lambda value: value, [image], tf.float32)
        return tf.ensure_shape(x, [None, 6, 6, 3])

    path = second_generation(tmp_path / "saved", before=before)
    from prunus_tensorflow.preprocessing import network_inputs

    with pytest.raises(ModelError) as caught:
        network_inputs(saved_model.load(Source(path)))
    assert "of type 'PyFunc' does more than compute (files, network, Python" in str(caught.value)
    assert str(caught.value).startswith(f"{path}")


def test_constant_parts_that_write_are_refused_before_tensorflow_computes_them(
    tmp_path: Path,
) -> None:
    def debug(meta: Any) -> None:
        for function in meta.graph_def.library.function:
            for node in list(function.node_def):
                if node.op == "Mean":
                    evil = function.node_def.add(name="evil", op="DebugIdentity")
                    evil.input.append(node.input[1])
                    evil.attr["T"].type = 3  # int32
                    evil.attr["debug_urls"].list.s.append(f"file://{tmp_path}/dump".encode())
                    evil.attr["tensor_name"].s = b"a:0"
                    node.input[1] = "evil:output:0"

    path = edited(second_generation(tmp_path / "saved"), debug)
    with pytest.raises(ModelError) as caught:
        saved_model.load(Source(path))
    assert not (tmp_path / "dump").exists()
    assert "of type 'DebugIdentity' does more than compute" in str(caught.value)
    assert len(str(caught.value).replace(str(path), "")) <= 300


def test_a_text_saved_model(tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    path = second_generation(tmp_path / "saved")
    binary = path / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    (path / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    binary.unlink()
    pruned(path, tmp_path / "out")
