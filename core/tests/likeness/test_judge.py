"""Samples are compared with what the network stored of its training; no labels are needed."""

from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import DataError
from prunus.evaluation.data import ArrayDataset
from prunus.likeness import judge
from prunus.likeness.moments import stored_moments
from prunus.likeness.scores import last_scores
from prunus.steps.sample_check import sample_warning
from prunus.task import Batch, Loss, Recipe, Task

COLOURS = np.array([150, 110, 70], np.float32).reshape(3, 1, 1)
SPREAD = np.array([30, 50, 70], np.float32).reshape(3, 1, 1)


@pytest.fixture
def pixels(draw):
    """Images whose colours differ, as those of the world do."""
    noise = draw.standard_normal((64, 3, 8, 8)) * SPREAD
    return np.clip(COLOURS + noise, 0, 255).astype(np.float32)


def trained(build, inputs, layers=2):
    """Convolutions whose normalisation layers hold the moments of these inputs."""
    draw = np.random.default_rng(1)
    arrays, nodes, value = {}, [], inputs
    for number in range(layers):
        weight = draw.standard_normal((6, value.shape[1], 1, 1)).astype(np.float32)
        made = np.einsum("oc,nchw->nohw", weight[:, :, 0, 0], value)
        mean, variance = made.mean((0, 2, 3)), made.var((0, 2, 3))
        arrays |= {f"w{number}": weight, f"one{number}": np.ones(6), f"no{number}": np.zeros(6)}
        arrays |= {f"m{number}": mean, f"v{number}": variance}
        before = "x" if number == 0 else f"r{number - 1}"
        nodes.append(("Conv", [before, f"w{number}"], [f"c{number}"], {}))
        names = [f"{kind}{number}" for kind in ("c", "one", "no", "m", "v")]
        nodes.append(("BatchNormalization", names, [f"b{number}"], {}))
        nodes.append(("Relu", [f"b{number}"], [f"r{number}"], {}))
        shape = (-1, 1, 1)
        value = np.maximum((made - mean.reshape(shape)) / np.sqrt(variance.reshape(shape)), 0)
    arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    last = f"r{layers - 1}"
    return build(nodes, arrays, {"x": (3, 8, 8)}, {last: (6, 8, 8)})


def test_right_samples_are_not_blamed(build, pixels):
    network = trained(build, pixels / 255)
    for start in range(0, 33, 4):
        assert judge(network, pixels[start : start + 32] / 255) is None


def test_a_missing_scale_is_named_beyond_doubt(build, pixels):
    verdict = judge(trained(build, pixels / 255), pixels)
    assert verdict.sure
    assert verdict.text.startswith("before layer 'b0' the variance is 6")
    assert " times the stored one; values are 0 to 255; did you mean values 0 to 1 " in verdict.text
    assert verdict.text.endswith("(scale=0.00392157 on pixels 0 to 255)?")


@pytest.mark.parametrize(
    ("right", "wrong", "meant"),
    [
        (lambda p: p, lambda p: p / 255, "values 0 to 255 (scale=1 on"),
        (lambda p: p / 127.5 - 1, lambda p: p / 255, "values -1 to 1 (mean=127.5,scale=0.00784314"),
        (lambda p: p / 255, lambda p: p / 127.5 - 1, "values 0 to 1 ("),
        (lambda p: p - COLOURS, lambda p: p, "their mean removed?"),
        (lambda p: p[:, ::-1] / 255, lambda p: p, "values 0 to 1 and the other order of channels"),
        (lambda p: (p - COLOURS) / SPREAD, lambda p: p, "their mean removed, divided by their"),
    ],
)
def test_what_was_meant_is_named(build, pixels, right, wrong, meant):
    verdict = judge(trained(build, right(pixels)), wrong(pixels).astype(np.float32))
    assert f"did you mean {meant}" in verdict.text


def test_the_order_of_channels(build, pixels):
    network = trained(build, pixels / 255)
    verdict = judge(network, pixels[:, ::-1] / 255)
    assert not verdict.sure
    assert verdict.text == (
        "the statistics of the first layers fit better with the channels in the other order; did "
        "you mean channels=bgr for rgb, or rgb for bgr?"
    )


def test_strange_samples_for_which_nothing_fits(build, pixels, draw):
    strange = (draw.standard_normal((32, 3, 8, 8)) * 1e4).astype(np.float32)
    strange[:, 0] *= 50
    verdict = judge(trained(build, pixels / 255), strange)
    assert not verdict.sure
    assert "did you mean" not in verdict.text
    assert "times the stored one (values " in verdict.text


def test_nothing_is_said_where_nothing_is_known(build, pixels):
    few = trained(build, pixels / 255)
    assert judge(few, pixels[:15]) is None
    new = few.with_weights(
        {
            f"{kind}{layer}": np.full(6, number, np.float32)
            for layer in (0, 1)
            for kind, number in (("m", 0), ("v", 1))
        }
    )
    assert stored_moments(new) is None
    assert judge(new, pixels) is None
    folded = build(
        [("Relu", ["x"], ["y"], {})], {"w": np.ones(1)}, {"x": (3, 8, 8)}, {"y": (3, 8, 8)}
    )
    assert judge(folded, pixels) is None


def test_removed_channels_do_not_count(build, pixels):
    network = trained(build, pixels / 255)
    weight = network.weights()["w0"].copy()
    weight[:3] = 0
    masked = network.with_weights({"w0": weight, "w1": network.weights()["w1"]})
    assert stored_moments(masked).quick_distance(pixels / 255).whole < 0.1


def classifier(build, gain):
    arrays = {"w": np.eye(192, 4, dtype=np.float32) * np.float32(gain)}
    nodes = [
        ("Flatten", ["x"], ["f"], {"axis": 1}),
        ("MatMul", ["f", "w"], ["s"], {}),
        ("Softmax", ["s"], ["y"], {"axis": 1}),
    ]
    return build(nodes, arrays, {"x": (3, 8, 8)}, {"y": (4,)})


def test_scores_that_no_training_gives(build, pixels):
    network = classifier(build, 20)
    assert judge(network, pixels / 255) is None
    text = judge(network, pixels).text
    assert text.startswith("the first class leads by ")
    assert text.endswith(
        " before the softmax; values are 0 to 255; did you mean for example values 0 to 1 "
        "(scale=0.00392157 on pixels 0 to 255)?"
    )
    text = judge(classifier(build, 0.1), pixels / 255).text
    assert text.startswith("all samples get the same answer, their scores differ by ")
    assert "did you mean for example values 0 to 255 (scale=1 on pixels 0 to 255)?" in text


def test_scores_without_softmax_where_the_recipe_tells(build, pixels):
    network = classifier(build, 20)
    graph = network.model.graph
    graph.outputs[0] = next(node for node in graph if node.op_type == "MatMul").outputs[0]
    assert judge(network, pixels) is None
    told = Task(recipe=Recipe(losses=(Loss("softmax_cross_entropy", ("s",)),)))
    assert judge(attrs.evolve(network, task=told), pixels / 255) is None
    assert judge(attrs.evolve(network, task=told), pixels).text.startswith("the first class leads")


def test_scores_of_many_places_are_none_of_a_classifier(build, pixels):
    shape = (4, 8, 8)
    network = build(
        [("Softmax", ["x"], ["y"], {"axis": 1})], {"w": np.ones(1)}, {"x": shape}, {"y": shape}
    )
    wide = np.concatenate([pixels, pixels[:, :1]], 1)
    assert last_scores(network).fault(wide * 1000) is None


def samples(pixels):
    return ArrayDataset("x", pixels)


def test_the_warning_and_the_refusal(build, pixels):
    network = trained(build, pixels / 255)
    assert sample_warning(network, samples(pixels / 255), "d.npz") is None
    with pytest.raises(DataError) as found:
        sample_warning(network, samples(pixels), "d.npz")
    text = str(found.value)
    assert text.startswith(
        "--data d.npz do not look like what the network was trained on: before layer 'b0' the"
    )
    assert text.endswith(" If they are meant so, say it: :scale=1 behind the path")
    assert len(text) < 300
    for spec in ("d.npz:scale=1", None):
        warning = sample_warning(network, samples(pixels), spec)
        assert "do not look like what the network was trained on" in warning
    assert warning.startswith("the network's own samples do not look like ")


@attrs.frozen(eq=False)
class Called:
    """Samples of a function of the user's."""

    pixels: np.ndarray

    def __len__(self):
        return len(self.pixels)

    def read(self, positions, rng):
        return Batch({"x": self.pixels[positions]})


def test_a_function_of_the_users_is_warned_of(build, pixels):
    warning = sample_warning(trained(build, pixels / 255), Called(pixels), "f.py:samples")
    assert warning.startswith("--data f.py:samples do not look like ")


def test_channels_last(build, pixels):
    network = trained(build, pixels / 255)
    graph = network.model.graph
    moved = ir.Value(name="rows", shape=ir.Shape(["N", 8, 8, 3]), type=graph.inputs[0].type)
    old = graph.inputs[0]
    graph.inputs[0] = moved
    turn = ir.node("Transpose", [moved], {"perm": [0, 3, 1, 2]})
    graph.insert_before(graph[0], turn)
    old.replace_all_uses_with(turn.outputs[0])
    assert judge(network, pixels.transpose(0, 2, 3, 1) / 255) is None
    assert "did you mean values 0 to 1 (" in judge(network, pixels.transpose(0, 2, 3, 1)).text
