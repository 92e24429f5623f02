"""Variables made known again, in graphs of every age."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from prunus_tensorflow.graphdef.trainable import handle_of, trainable

pytestmark = pytest.mark.tensorflow


def graph_of(tf: Any, resource: bool) -> Any:
    """``out = x w + b`` with initial values, a counter, and a frozen factor."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [None, 3], name="x")
        w = tf1.get_variable("w", initializer=np.ones((3, 2), "f4"), use_resource=resource)
        b = tf1.get_variable("b", initializer=np.zeros(2, "f4"), use_resource=resource)
        tf1.get_variable("steps", initializer=np.int64(7), use_resource=resource, trainable=False)
        factor = tf.constant(np.full(2, 3, "f4"), name="factor")
        tf.multiply(tf.matmul(x, w) + b, factor, name="out")
    return graph.as_graph_def()


def imported(tf: Any, meta: Any) -> tuple[Any, dict[str, Any], list[str]]:
    """Graph, variables by name, names of the trainable ones."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        tf1.train.import_meta_graph(meta)
        variables = {one.op.name: one for one in tf1.global_variables()}
        return graph, variables, sorted(one.op.name for one in tf1.trainable_variables())


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_variables_come_back_with_their_initial_values(tf: Any, resource: bool) -> None:
    graph, variables, learned = imported(tf, trainable(graph_of(tf, resource), (), {"w", "b"}))
    assert sorted(variables) == ["b", "steps", "w"]
    assert learned == ["b", "w"]
    with tf.compat.v1.Session(graph=graph) as session:
        session.run([one.initializer for one in variables.values()])
        assert session.run(variables["steps"]) == 7
        assert session.run("out:0", {"x:0": np.ones((1, 3), "f4")}).tolist() == [[9, 9]]


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
def test_stripped_graph_can_be_assigned_and_trained(tf: Any, resource: bool) -> None:
    """An inference graph without Assign ops, as tools that strip graphs leave it."""
    tf1 = tf.compat.v1
    whole = graph_of(tf, resource)
    kept = tf1.graph_util.extract_sub_graph(whole, ["out"])
    assert not any("Assign" in node.op for node in kept.node)
    graph, variables, learned = imported(tf, trainable(kept, (), {"w"}))
    assert learned == ["w"]
    with graph.as_default(), tf1.Session(graph=graph) as session:
        out = graph.get_tensor_by_name("out:0")
        loss = tf.reduce_mean(tf.square(out - 1.0))
        update = tf1.train.GradientDescentOptimizer(0.01).minimize(loss)
        for name, array in (("w", np.ones((3, 2), "f4")), ("b", np.zeros(2, "f4"))):
            start = variables[name].initializer
            session.run(start, {start.inputs[1]: array})
        feed = {"x:0": np.ones((4, 3), "f4")}
        losses = [session.run([loss, update], feed)[0] for _ in range(5)]
        assert losses[-1] < losses[0] == 64
        assert session.run(variables["b"]).tolist() == [0, 0]


def test_constant_turns_into_a_variable_of_the_same_name(tf: Any) -> None:
    graph, variables, learned = imported(tf, trainable(graph_of(tf, True), {"factor"}, {"factor"}))
    assert learned == [handle_of("factor")]
    with tf.compat.v1.Session(graph=graph) as session:
        session.run([one.initializer for name, one in variables.items() if name in "wb"])
        start = variables[handle_of("factor")].initializer
        session.run(start, {start.inputs[1]: np.full(2, 5, "f4")})
        assert session.run("out:0", {"x:0": np.ones((1, 3), "f4")}).tolist() == [[15, 15]]
        assert session.run("factor:0").tolist() == [5, 5]
