from __future__ import annotations

import pytest

from prunus.errors import ModelError
from prunus.network import Source
from prunus.task import LearningRate
from prunus_darknet.read import load
from prunus_darknet.recipe import notes_of, recipe_of

CONV = "[convolutional]\nbatch_normalize=1\nfilters=14\nsize=1\nstride=1\nactivation=leaky\n"
YOLO = "[yolo]\nmask=0,1\nanchors=4,4, 8,8\nnum=2\nclasses=2\n"
SOFTMAX = "[avgpool]\n[softmax]\n"


def network(make_files, layers: str, net: str = ""):
    model, weights = make_files(layers)
    text = model.read_text().replace("batch=1\nsubdivisions=1\n", net)
    model.write_text(text)
    return load(Source(model, weights))


def recipe(make_files, layers: str = CONV + SOFTMAX, net: str = ""):
    return recipe_of(network(make_files, layers, net))


def error(make_files, layers: str, net: str) -> str:
    with pytest.raises(ModelError) as caught:
        recipe(make_files, layers, net)
    return str(caught.value).split("net.cfg")[1]


def test_darknets_defaults(make_files) -> None:
    found = recipe(make_files)
    assert found.solver == "darknet"
    assert (found.momentum, found.weight_decay) == (0.9, 1e-4)
    assert (found.batch_size, found.accumulate, found.iterations) == (1, 1, 1000)
    assert found.learning_rate == LearningRate("constant", 0.001, gamma=1, power=4)


def test_all_keys(make_files) -> None:
    net = (
        "batch=64\nsubdivisions=16\nlearning_rate=0.01\nmomentum=0.95\ndecay=0.0005\n"
        "max_batches=500\nburn_in=10\npower=2\npolicy=steps\nsteps=100,200\nscales=.1,.2\n"
    )
    found = recipe(make_files, net=net)
    assert (found.batch_size, found.accumulate, found.iterations) == (4, 16, 500)
    assert (found.momentum, found.weight_decay) == (0.95, 0.0005)
    assert found.learning_rate == LearningRate(
        "steps", 0.01, gamma=1, power=2, steps=(100, 200), scales=(0.1, 0.2), warm_up=10
    )


@pytest.mark.parametrize(
    ("net", "batch", "rate"),
    [
        # get_current_rate by hand; the batch number counts from 1
        ("policy=constant\nlearning_rate=.1\n", 7, 0.1),
        ("policy=step\nstep=3\nscale=.5\nlearning_rate=.1\n", 7, 0.1 * 0.5**2),
        ("policy=steps\nsteps=3,7,9\nscales=.1,.5,.1\nlearning_rate=.1\n", 7, 0.1 * 0.1 * 0.5),
        ("policy=exp\ngamma=.9\nlearning_rate=.1\n", 7, 0.1 * 0.9**7),
        ("policy=poly\npower=2\nmax_batches=10\nlearning_rate=.1\n", 7, 0.1 * 0.3**2),
        ("policy=sig\ngamma=1\nstep=7\nlearning_rate=.1\n", 7, 0.05),
        ("policy=constant\nburn_in=10\nlearning_rate=.1\n", 7, 0.1 * 0.7**4),
        ("policy=unheard\nlearning_rate=.1\n", 7, 0.1),
    ],
)
def test_schedules_agree_with_the_trainers(make_files, net: str, batch: int, rate: float) -> None:
    schedule = pytest.importorskip("prunus_torch.schedule")
    found = recipe(make_files, net=net)
    mine = schedule.learning_rate(found.learning_rate, batch - 1, found.iterations, darknet=True)
    assert mine == pytest.approx(rate, rel=1e-6)


def test_only_weights_decay(make_files) -> None:
    found = recipe(make_files)
    kept = {"bias", "scale", "shift", "mean", "variance"}
    assert found.decay_mult
    assert "0:convolutional/weight" not in found.decay_mult
    assert {name.split("/")[1] for name in found.decay_mult} <= kept
    assert set(found.decay_mult.values()) == {0.0}


def test_layers_that_stand_still_or_learn_slowly(make_files) -> None:
    layers = CONV + CONV + "stopbackward=1\n" + CONV + "learning_rate=0.1\n" + CONV + SOFTMAX
    found = recipe(make_files, layers)
    rates = {name: rate for name, rate in found.lr_mult.items() if name.endswith("weight")}
    assert rates == {
        "0:convolutional/weight": 0.0,
        "1:convolutional/weight": 0.0,
        "2:convolutional/weight": 0.1,
    }


def test_rolling_statistics_of_both_lines(make_files) -> None:
    assert recipe(make_files).bn_momentum == 0.99
    assert recipe(make_files, net="mosaic=0\n").bn_momentum == 0.9


def test_losses(make_files) -> None:
    boxes = recipe(make_files, CONV + YOLO).losses
    assert [(loss.kind, loss.outputs) for loss in boxes] == [
        ("prunus_darknet.losses.box_loss:box_loss", ("0:convolutional",))
    ]
    assert boxes[0].parameters["head"].classes == 2
    kinds = {
        SOFTMAX: "softmax_cross_entropy",
        SOFTMAX + "[cost]\ntype=sse\n": "softmax_cross_entropy",
        "[avgpool]\n[logistic]\n": "sigmoid_cross_entropy",
        "[avgpool]\n[cost]\ntype=sse\nscale=2\n": "euclidean",
    }
    for layers, kind in kinds.items():
        (loss,) = recipe(make_files, CONV + layers).losses
        assert loss.kind == kind
        assert loss.weight == (2 if kind == "euclidean" else 1)
    assert recipe(make_files, CONV + "[avgpool]\n[cost]\ntype=smooth\n").losses == ()
    assert recipe(make_files, CONV).losses == ()


def test_dropout_names_a_value_of_the_graph(make_files) -> None:
    net = network(make_files, CONV + "[dropout]\nprobability=.3\n[dropout]\n" + SOFTMAX)
    found = recipe_of(net).dropout
    values = {str(value.name) for node in net.model.graph for value in node.outputs}
    assert set(found.values()) == {0.3, 0.5}
    assert set(found) <= values


def test_notes(make_files) -> None:
    net = network(make_files, CONV + YOLO + "random=1\n", "mosaic=1\npolicy=sgdr\nsgdr_cycle=5\n")
    origin = net.origin
    assert notes_of(origin.cfg, origin.structure, origin.dialect) == (
        "net.cfg: random=1 (another input size every ten batches) has no effect: "
        "samples keep the network's size",
        "net.cfg: mosaic in [net]: no such augmentation here",
        "net.cfg: policy=sgdr runs one cosine, sgdr_cycle has no effect",
    )
    assert recipe_of(net).learning_rate.policy == "cosine"
    other = network(make_files, CONV + YOLO, "policy=unheard\n").origin
    assert notes_of(other.cfg, other.structure, other.dialect) == (
        "net.cfg: unknown policy=unheard: constant, as in Darknet itself",
    )


def test_settings_that_cannot_be_used(make_files) -> None:
    assert error(make_files, CONV + SOFTMAX, "batch=0\n") == (
        ":2: batch and subdivisions start from 1"
    )
    assert error(make_files, CONV + SOFTMAX, "policy=steps\nsteps=1,2\nscales=.1\n") == (
        ":2: policy=steps: 2 steps and 1 scales; give a scale for each step"
    )
    assert error(make_files, CONV + "[dropout]\nprobability=1\n" + SOFTMAX, "") == (
        ":12: probability is a ratio below 1"
    )
    assert error(make_files, CONV + SOFTMAX, "decay=little\n") == (
        ":2: decay=little in [net]: expected a number"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate=-1", "learning_rate=-1 in [net]: expected a number above 0"),
        ("learning_rate=0", "learning_rate=0 in [net]: expected a number above 0"),
        ("momentum=1", "momentum=1 in [net]: expected a number from 0 to below 1"),
        ("decay=-2147483648", "decay=-2147483648 in [net]: expected a number from 0"),
        ("max_batches=-1", "max_batches=-1 in [net]: expected a whole number from 0"),
        ("scales=.1,-1", "scales=.1,-1 in [net]: expected a number from 0"),
        ("burn_in=-5", "burn_in=-5 in [net]: expected a whole number from 0"),
    ],
)
def test_numbers_that_no_training_can_have(make_files, text, message) -> None:
    assert error(make_files, CONV + SOFTMAX, f"{text}\n") == f":2: {message}"


def test_a_batch_larger_than_this_machine(make_files) -> None:
    found = error(make_files, CONV + SOFTMAX, "batch=2000000000\n")
    assert found.startswith(": batch=2000000000 in [net]: declares 3.46 TB, more than half of")
