"""TensorFlow and the neutral graph give the same numbers, before and after pruning."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.network import Compact, Destination, Source

_HERE = Path(__file__).parent


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"graphdef_{name}", _HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


networks = _module("networks")
support = _module("conftest")

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_agrees_and_shrinks(name: str, resource: bool, tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = tools.make(networks.NETWORKS[name](resource))
    network = graphdef.load(source)
    assert network.origin.outputs == ("out",), network.notes
    feed = support.feed_for(network)
    wanted = tools.run(source.model, source.weights, ("out",), feed)
    assert support.error(support.neutral(network, feed)[0], wanted[0]) < 1e-4

    masked, _, written = tools.halve(network, tmp_path / "half")
    assert network.frozen == {}
    expected = support.neutral(masked, feed)[0]
    assert not np.allclose(expected, wanted[0]), "nothing was pruned"
    found = tools.run(written.model, written.weights, ("out",), feed)
    assert support.error(found[0], expected) < 1e-4
    again = graphdef.load(Source(written.model, written.weights))
    assert support.error(support.neutral(again, feed)[0], expected) < 1e-5


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_training_switches_are_taken_as_off(resource: bool, tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    tf1 = tools.tf.compat.v1
    tf1.disable_control_flow_v2()
    try:
        source = tools.make(networks.dropout(resource))
    finally:
        tf1.enable_control_flow_v2()
    network = graphdef.load(source)
    assert "placeholder 'is_training' is taken as False (inference)" in network.notes
    assert any(note.startswith("dropout 'dropout/") for note in network.notes)
    feed = support.feed_for(network)
    off = {**feed, "keep_prob": np.float32(1.0), "is_training": np.bool_(False)}
    wanted = tools.run(source.model, source.weights, ("out",), off)
    assert support.error(support.neutral(network, feed)[0], wanted[0]) < 1e-4
    masked, _, written = tools.halve(network, tmp_path / "half")
    found = tools.run(written.model, written.weights, ("out",), off)
    assert support.error(found[0], support.neutral(masked, feed)[0]) < 1e-4


def test_identity_writes_the_same_bytes(tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = tools.make(networks.fused(True))
    network = graphdef.load(source)
    (tmp_path / "same").mkdir()
    for stage in ("masked", "compact"):
        destination = Destination(tmp_path / "same", stage)
        written = graphdef.write(network, Compact(network.model, {}), destination)
        assert written.model.read_bytes() == source.model.read_bytes()
        load = tools.tf.train.load_checkpoint
        one, two = load(str(source.weights)), load(str(written.weights))
        names = one.get_variable_to_shape_map()
        assert names == two.get_variable_to_shape_map()
        assert all((one.get_tensor(n) == two.get_tensor(n)).all() for n in names)


def test_text_diff_shows_only_numbers(tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = tools.make(networks.lenet(False))
    text = source.model.read_text()
    commented = "# kept\n" + text.replace("node {\n", "node {  # a node\n", 1)
    source.model.write_text(commented)
    network = graphdef.load(source)
    _, _, written = tools.halve(network, tmp_path / "half")
    old, new = commented.splitlines(), written.model.read_text().splitlines()
    assert len(old) == len(new)
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert changed
    for before, after in changed:
        assert before.split(":")[0] == after.split(":")[0]
        assert before.split(":")[0].strip() in ("size", "tensor_content", "int_val")


def test_frozen_graph_on_request(tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = tools.make(networks.fused(True))
    network = graphdef.load(source)
    masked, _, written = tools.halve(network, tmp_path / "half", frozen="yes")
    (frozen,) = [path for path in written.others if path.name.endswith(".frozen.pb")]
    feed = support.feed_for(network)
    found = tools.run(frozen, None, ("out",), feed)
    assert support.error(found[0], support.neutral(masked, feed)[0]) < 1e-4
    again = graphdef.load(Source(frozen))
    assert again.origin.checkpoint is None
    assert support.error(support.neutral(again, feed)[0], found[0]) < 1e-5


def test_control_inputs_stay(tools: Any, tmp_path: Path) -> None:
    """An assertion and a counter hang on the network by control inputs only."""
    from prunus_tensorflow import graphdef

    def build(tf: Any, tf1: Any) -> None:
        w = networks.Weights(tf1, False)
        x = tf1.placeholder(tf.float32, [None, 6, 6, 1], name="x")
        h = tf.nn.relu(tf.nn.conv2d(x, w("c1/w", 3, 3, 1, 8), 1, "SAME"))
        seen = tf1.get_variable("seen", [], tf.int32, tf1.zeros_initializer(), use_resource=False)
        checked = tf1.assert_greater(tf.size(x), 0)
        with tf.control_dependencies([checked, h.op, tf1.assign_add(seen, 1)]):
            h = tf.reduce_mean(tf.nn.conv2d(h, w("c2/w", 3, 3, 8, 6), 1, "SAME"), [1, 2])
        tf.matmul(h, w("f/w", 6, 2), name="out")

    tools.tf.compat.v1.disable_control_flow_v2()
    try:
        source = tools.make(build)
    finally:
        tools.tf.compat.v1.enable_control_flow_v2()
    network = graphdef.load(source)
    masked, smaller, written = tools.halve(network, tmp_path / "half", frozen="yes")
    assert {"Conv2D/weight", "Conv2D_1/weight"} <= set(smaller.kept)
    assert written.model.read_text().count('input: "^') == source.model.read_text().count(
        'input: "^'
    )
    feed = support.feed_for(network)
    expected = support.neutral(masked, feed)[0]
    found = tools.run(written.model, written.weights, ("out", "seen"), feed)
    assert support.error(found[0], expected) < 1e-4
    (frozen,) = [path for path in written.others if path.name.endswith(".frozen.pb")]
    assert support.error(tools.run(frozen, None, ("out",), feed)[0], expected) < 1e-4


def test_v1_checkpoint_in_and_out(tools: Any, tmp_path: Path) -> None:
    from prunus_tensorflow import graphdef

    source = tools.make(networks.lenet(False))
    reader = tools.tf.train.load_checkpoint(str(source.weights))
    names = sorted(reader.get_variable_to_shape_map())
    old = tmp_path / "v1.ckpt"
    tools.tf.raw_ops.Save(
        filename=str(old), tensor_names=names, data=[reader.get_tensor(n) for n in names]
    )
    network = graphdef.load(attrs.evolve(source, weights=old))
    assert network.origin.version == 1
    masked, _, written = tools.halve(network, tmp_path / "half")
    assert written.weights == tmp_path / "half" / "v1.ckpt"
    assert written.weights.is_file()
    feed = support.feed_for(network)
    again = graphdef.load(Source(written.model, written.weights))
    expected = support.neutral(masked, feed)[0]
    assert support.error(support.neutral(again, feed)[0], expected) < 1e-5
