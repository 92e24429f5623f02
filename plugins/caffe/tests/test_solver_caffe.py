"""solver.prototxt and the net's own settings become a recipe."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

import prunus
from prunus.errors import PrunusError, UsageError
from prunus.network import Source, TaskNames
from prunus.plugin import parse_protobuf_text, read_protobuf_text
from prunus_caffe.read import load
from prunus_caffe.recipe import (
    finetune_solver,
    read_solver,
    recipe_of,
    solver_type,
    training_solver,
)

PLAIN = "lr_policy: 'fixed' base_lr: 0.1 max_iter: 9\n"
NO_FIELD = (
    ": expected a solver, found no field; a comment ends where a line ends with LF, "
    "not with CR alone"
)
NET = """
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 6 } data_param { source: "none" batch_size: 16 backend: LMDB } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 6 } data_param { source: "none" batch_size: 10 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" dropout_param { dropout_ratio: 0.3 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "top-5"
  accuracy_param { top_k: 5 } include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" loss_weight: 0.5 }
"""

SOLVER = """# a comment
net: "net.prototxt"  # kept
type: "Nesterov" base_lr: 0.02 lr_policy: "multistep" gamma: 0.5 stepvalue: 10 stepvalue: 20
momentum: 0.8 weight_decay: 0.001 max_iter: 30 iter_size: 2 clip_gradients: 5 regularization_type: "L1"
snapshot: 7 snapshot_prefix: 'out/net'
"""


@pytest.fixture
def network(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    options = {"weights": "random", "input-shape": "data:3x6x6"}
    task = TaskNames(tmp_path / "solver.prototxt")
    return load(Source(tmp_path / "net.prototxt", None, options, task))


def test_recipe(network):
    recipe = network.task.recipe
    assert recipe.solver == "Nesterov"
    assert recipe.learning_rate.policy == "multistep"
    assert recipe.learning_rate.base == pytest.approx(0.02)
    assert recipe.learning_rate.steps == (10, 20)
    assert (recipe.iterations, recipe.accumulate, recipe.batch_size, recipe.snapshot) == (
        30,
        2,
        16,
        7,
    )
    assert recipe.clip_gradients == 5
    assert recipe.regularization == "L1"
    assert recipe.lr_mult == {"conv/weight": 1, "conv/bias": 2}
    assert recipe.decay_mult == {"conv/weight": 1, "conv/bias": 0}
    assert list(recipe.dropout.values()) == [pytest.approx(0.3)]
    (loss,) = recipe.losses
    assert (loss.kind, loss.outputs, loss.weight) == ("softmax_cross_entropy", ("fc",), 0.5)


def test_metric_is_the_accuracy_layer_by_its_top(network):
    assert (network.task.metric.name, network.task.metric.k) == ("top-5", 5)
    assert network.task.batch_size == 10


def test_old_solver_type_numbers(tmp_path):
    (tmp_path / "s").write_text(PLAIN + "solver_type: RMSPROP")
    assert solver_type(read_solver(tmp_path / "s"), tmp_path / "s") == "RMSProp"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'lr_policy: "steps"',
            "unknown lr_policy 'steps'; Caffe has exp, fixed, inv, multistep, poly, sigmoid, step",
        ),
        (
            'type: "Lion"',
            "unknown solver type 'Lion'; there are SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam",
        ),
    ],
)
def test_unknown_names(tmp_path, text, message):
    path = tmp_path / "solver.prototxt"
    path.write_text(text if "lr_policy" in text else PLAIN + text)
    with pytest.raises(UsageError) as error:
        read_solver(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("0.1", "-2147483648"),
         ":1: expected a number above 0 for 'base_lr', found '-2147483648'"),
        (PLAIN.replace("0.1", "0"), ":1: expected a number above 0 for 'base_lr', found '0'"),
        (PLAIN.replace("0.1", "nan"), ":1: expected a number above 0 for 'base_lr', found 'nan'"),
        (PLAIN.replace("9", "-1"), ":1: expected a whole number from 1 for 'max_iter', found '-1'"),
        (PLAIN + "iter_size: 0", ":2: expected a whole number from 1 for 'iter_size', found '0'"),
        (PLAIN + "momentum: 1",
         ":2: expected a number from 0 to below 1 for 'momentum', found '1'"),
        (PLAIN + "weight_decay: -1", ":2: expected a number from 0 for 'weight_decay', found '-1'"),
        (PLAIN + "power: inf", ":2: expected a number that is finite for 'power', found 'inf'"),
        (PLAIN + "snapshot: -5",
         ":2: expected a whole number from 0 for 'snapshot', found '-5'"),
        (PLAIN + "stepvalue: 3 stepvalue: 2", ": expected 'stepvalue' in rising order"),
        (PLAIN + "momentm: 0.9", ":2: unknown field 'momentm'; did you mean 'momentum'?"),
        (PLAIN + "train_state { stagee: 'a' }",
         ":2: unknown field 'train_state.stagee'; did you mean 'stage'?"),
        (PLAIN + "solver_type: LION", ": solver_type is 'LION', which Caffe does not define"),
        (PLAIN + "regularization_type: 'L3'",
         ": unknown regularization_type 'L3'; Caffe has L1 and L2"),
        (PLAIN + "type: 'AdaGrad' momentum: 0.9",
         ": momentum cannot be used with AdaGrad; leave it out"),
        (PLAIN.replace("fixed", "step"), ": expected 'gamma' in the solver, found none"),
        (PLAIN.replace("fixed", "step") + "gamma: 1",
         ": expected 'stepsize' in the solver, found none"),
        ("lr_policy: 'fixed' max_iter: 9", ": expected 'base_lr' in the solver, found none"),
        ("lr_policy: 'fixed' base_lr: 1", ": expected 'max_iter' in the solver, found none"),
        ("base_lr: 1 max_iter: 9", ": expected 'lr_policy' in the solver, found none"),
        ("# the first comm", NO_FIELD),
        ("# a\r" + PLAIN.replace("\n", "\r"), NO_FIELD),
        ("", NO_FIELD),
    ],
)  # fmt: skip
def test_solvers_that_train_nothing(tmp_path, text, message):
    path = tmp_path / "solver.prototxt"
    path.write_bytes(text.encode())
    with pytest.raises(UsageError) as error:
        read_solver(path)
    assert str(error.value) == f"{path}{message}"


def test_a_solver_with_cr_line_ends_is_read_as_caffe_reads_it(tmp_path):
    (tmp_path / "s").write_bytes(PLAIN.replace(" ", "\r").encode() + b"\rstepsize: 4\r")
    assert read_solver(tmp_path / "s").stepsize == 4


def test_a_solver_cut_anywhere_is_refused_or_whole(tmp_path):
    """The fields that are needed stand last here: what is read has them all."""
    text = "# a comment\nmomentum: 0.9\n" + PLAIN.rstrip() + "\n"
    path, read = tmp_path / "s", 0
    for length in range(len(text)):
        path.write_text(text[:length])
        try:
            solver = read_solver(path)
        except PrunusError:
            continue
        read += 1
        assert (solver.lr_policy, solver.momentum) == ("fixed", pytest.approx(0.9))
    assert read == 1  # without the last line end


def test_fields_of_other_forks_are_noted(tmp_path, network):
    path = tmp_path / "ssd.prototxt"
    path.write_text(PLAIN + 'eval_type: "detection"')
    found = load(attrs.evolve(network.origin.source, task=TaskNames(path))).notes
    assert f"{path}:2: unknown field 'eval_type'; it has no effect here" in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lr_mult: 2", "lr_mult: -2",
         ":6: layer 'conv': expected a number from 0 for 'lr_mult', found -2"),
        ("decay_mult: 0", "decay_mult: nan",
         ":6: layer 'conv': expected a number from 0 for 'decay_mult', found nan"),
        ("dropout_ratio: 0.3", "dropout_ratio: 1",
         ":9: layer 'drop': expected a number from 0 to below 1 for 'dropout_ratio', found 1"),
        ("loss_weight: 0.5", "loss_weight: inf",
         ":13: layer 'loss': expected a number that is finite for 'loss_weight', found inf"),
    ],
)  # fmt: skip
def test_layers_that_no_training_can_have(tmp_path, old, new, message):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.replace(old, new))
    with pytest.raises(UsageError) as error:
        load(Source(path, None, {"weights": "random", "input-shape": "data:3x6x6"}))
    assert str(error.value) == f"{path}{message}"


def test_a_batch_larger_than_this_machine(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.replace("batch_size: 16", "batch_size: 4000000000"))
    with pytest.raises(UsageError) as error:
        load(Source(path, None, {"weights": "random", "input-shape": "data:3x6x6"}))
    assert str(error.value).startswith(f"{path}: batch_size 4000000000: declares 1.73 TB, more")


def test_without_a_solver_the_net_still_tells_its_part(tmp_path, network):
    recipe = recipe_of(network.origin.net, None)
    assert recipe.lr_mult["conv/bias"] == 2
    assert recipe.batch_size == 16


def test_finetune_solver_changes_two_values_only():
    document = parse_protobuf_text(SOLVER, Path("solver.prototxt"))
    text = finetune_solver(document, "net_finetune.prototxt", "snapshots/")
    expected = SOLVER.replace('"net.prototxt"', '"net_finetune.prototxt"')
    assert text == expected.replace("'out/net'", '"snapshots/"')


def test_fields_are_set_added_or_left_out(tmp_path):
    (tmp_path / "s").write_text(
        "net: 'a' # mine\ntest_iter: [1, 2] base_lr : 0.1\nstepvalue: 3 stepvalue: 4"
    )
    changes = {
        "net": None,
        "test_iter": None,
        "base_lr": "0.5",
        "train_net": '"b"',
        "stepvalue": None,
    }
    text = training_solver(read_protobuf_text(tmp_path / "s"), changes)
    assert text == ' # mine\n base_lr: 0.5\n \ntrain_net: "b"\n'


@pytest.mark.parametrize(("param", "frozen"), [("use_global_stats: true", True), ("", False)])
def test_stored_statistics_in_training(tmp_path, param, frozen):
    norm = f'layer {{ name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param {{ {param} }} }}'
    (tmp_path / "net.prototxt").write_text(NET + norm)
    network = load(
        Source(tmp_path / "net.prototxt", None, {"weights": "random", "input-shape": "data:3x6x6"})
    )
    assert network.task.recipe.bn_frozen == frozen


def test_the_solver_and_the_metric_from_python(tmp_path, network):
    net, options = tmp_path / "net.prototxt", {"weights": "random", "input-shape": "data:3x6x6"}
    top_1 = 'layer { name: "a1" type: "Accuracy" bottom: "fc" bottom: "label" top: "top-1" }'
    net.write_text(NET + top_1)
    plain = prunus.load(net, options=options).task
    assert (plain.metric.name, plain.recipe.solver) == ("top-5", "SGD")
    solver = tmp_path / "solver.prototxt"
    named = prunus.load(net, solver=solver, metric="top-1", options=options).task
    assert named.metric.name == "top-1"
    assert named.recipe == network.task.recipe
