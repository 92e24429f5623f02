"""Training of a small net equals real Caffe's, weight by weight, for every solver and policy."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from prunus.task import LearningRate, Loss, Recipe
from prunus_torch.testing.graphs import Array, model_of
from prunus_torch.testing.jobs import in_order, job_of, network_of, roles_by_name
from prunus_torch.train import train

PYTHON = os.environ.get("PRUNUS_CAFFE_PYTHON")
pytestmark = [
    pytest.mark.caffe,
    pytest.mark.skipif(not PYTHON, reason="PRUNUS_CAFFE_PYTHON names no interpreter with Caffe"),
]

BATCH = 4
ITERATIONS = 10


@attrs.frozen
class Case:
    """A recipe and the same in Caffe's words."""

    name: str
    recipe: Recipe
    loss: str = 'type: "SoftmaxWithLoss"'
    classes: int = 5


def case(name: str, solver: str, rate: LearningRate, **settings: Any) -> Case:
    loss = settings.pop("loss", 'type: "SoftmaxWithLoss"')
    classes = settings.pop("classes", 5)
    recipe = Recipe(
        solver=solver,
        learning_rate=rate,
        iterations=ITERATIONS,
        batch_size=BATCH,
        lr_mult={"conv/bias": 2.0, "ip/weight": 0.5, "ip/bias": settings.pop("last", 0.0)},
        decay_mult={"conv/bias": 0.0, "ip/weight": 3.0},
        **settings,
    )
    return Case(name, recipe, loss, classes)


STEP = LearningRate("step", 0.1, gamma=0.5, stepsize=3)
INV = LearningRate("inv", 0.1, gamma=0.2, power=0.75)
POLY = LearningRate("poly", 0.1, power=1.5)
MULTI = LearningRate("multistep", 0.1, gamma=0.3, steps=(2, 5, 8))
EXP = LearningRate("exp", 0.1, gamma=0.8)
SIGMOID = LearningRate("sigmoid", 0.1, gamma=0.7, stepsize=5)
FIXED = LearningRate("fixed", 0.1)


def small(policy: LearningRate, base: float) -> LearningRate:
    return attrs.evolve(policy, base=base)


CASES = [
    case("sgd-step", "SGD", STEP, weight_decay=0.02),
    case("sgd-inv-l1", "SGD", INV, weight_decay=0.01, regularization="L1", last=1.0),
    case("sgd-poly-clip", "SGD", POLY, clip_gradients=0.3, weight_decay=0.01),
    case("sgd-multistep-iter_size", "SGD", MULTI, accumulate=2, weight_decay=0.01),
    case("sgd-clip-iter_size", "SGD", FIXED, accumulate=3, clip_gradients=0.5, last=1.0),
    case("sgd-exp", "SGD", EXP, momentum=0.5),
    case("sgd-sigmoid", "SGD", SIGMOID, momentum=0.0),
    case(
        "nesterov-multistep", "Nesterov", MULTI, weight_decay=0.02, accumulate=2, clip_gradients=0.5
    ),
    case("nesterov-poly", "Nesterov", POLY, momentum=0.7, last=1.0),
    case("adagrad-inv", "AdaGrad", small(INV, 0.02), momentum=0.0, weight_decay=0.01),
    case(
        "rmsprop-step",
        "RMSProp",
        small(STEP, 0.01),
        momentum=0.0,
        rms_decay=0.9,
        accumulate=2,
        weight_decay=0.01,
    ),
    case(
        "adadelta-step", "AdaDelta", small(STEP, 1.0), momentum=0.95, delta=1e-6, weight_decay=0.01
    ),
    case("adam-poly", "Adam", small(POLY, 0.01), weight_decay=0.01, last=1.0),
    case("adam-multistep-clip", "Adam", small(MULTI, 0.01), accumulate=2, clip_gradients=0.4),
    case(
        "hinge",
        "SGD",
        FIXED,
        loss='type: "HingeLoss"',
        losses=(Loss("hinge", ("ip",)),),
    ),
    case(
        "hinge-l2",
        "SGD",
        small(FIXED, 0.01),
        loss='type: "HingeLoss" hinge_loss_param { norm: L2 }',
        losses=(Loss("hinge", ("ip",), parameters={"norm": "L2"}),),
    ),
    case(
        "euclidean",
        "SGD",
        small(FIXED, 0.01),
        loss='type: "EuclideanLoss" loss_weight: 0.5',
        classes=1,
        losses=(Loss("euclidean", ("ip",), weight=0.5),),
    ),
    case(
        "sigmoid",
        "SGD",
        FIXED,
        loss='type: "SigmoidCrossEntropyLoss"',
        classes=1,
        losses=(Loss("sigmoid_cross_entropy", ("ip",)),),
    ),
    case(
        "ignored-label",
        "SGD",
        FIXED,
        loss='type: "SoftmaxWithLoss" loss_param { ignore_label: 2 normalization: BATCH_SIZE }',
        losses=(
            Loss(
                "softmax_cross_entropy",
                ("ip",),
                parameters={"ignore_label": 2, "normalization": "BATCH_SIZE"},
            ),
        ),
    ),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Array]]:
    """Case -> blobs of real Caffe after the last iteration."""
    folder = tmp_path_factory.mktemp("caffe")
    plan = []
    for chosen in CASES:
        place = folder / chosen.name
        place.mkdir()
        (place / "net.prototxt").write_text(net_text(chosen))
        (place / "solver.prototxt").write_text(solver_text(chosen, place / "net.prototxt"))
        np.savez(place / "weights.npz", **caffe_blobs(chosen))
        samples, labels = batches(chosen)
        np.savez(place / "data.npz", x=samples, y=labels)
        names = ("solver.prototxt", "weights.npz", "data.npz", "result.npz")
        paths = dict(
            zip(
                ("solver", "weights", "data", "result"),
                (str(place / n) for n in names),
                strict=True,
            )
        )
        plan.append({**paths, "iterations": ITERATIONS})
    (folder / "plan.json").write_text(json.dumps(plan))
    script = Path(__file__).with_name("train_in_caffe.py")
    done = subprocess.run(
        [str(PYTHON), str(script), str(folder / "plan.json")],
        capture_output=True,
        text=True,
        env={**os.environ, "GLOG_minloglevel": "2"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {c.name: dict(np.load(folder / c.name / "result.npz")) for c in CASES}


@pytest.mark.parametrize("chosen", CASES, ids=lambda c: c.name)
def test_equals_caffe(
    chosen: Case, trained: Mapping[str, Mapping[str, Array]], tmp_path: Path
) -> None:
    model = graph(chosen)
    samples, labels = batches(chosen)
    job = job_of(
        network_of(model, roles_by_name(model)), chosen.recipe, in_order(samples, labels), tmp_path
    )
    found = train(job)
    wanted = from_caffe(trained[chosen.name])
    start = initial(chosen)
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        error = np.abs(found[name] - array).max()
        assert error <= 1e-5 * max(1.0, np.abs(array).max()), name
        if chosen.recipe.lr_mult.get(name, 1.0):
            assert np.abs(array - start[name]).max() > 1e-3, (
                f"{name} was not trained: nothing is shown"
            )


def batches(chosen: Case) -> tuple[Array, Array]:
    draw = np.random.default_rng(5)
    count = ITERATIONS * BATCH * chosen.recipe.accumulate
    samples = draw.standard_normal((count, 1, 8, 8)).astype(np.float32)
    return samples, draw.integers(0, max(2, chosen.classes), count)


def initial(chosen: Case) -> dict[str, Array]:
    draw = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {
        "conv/weight": (3, 1, 3, 3),
        "conv/bias": (3,),
        "ip/weight": (chosen.classes, 27),
        "ip/bias": (chosen.classes,),
    }
    return {n: 0.3 * draw.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


PLACES = {"conv/weight": "conv/0", "conv/bias": "conv/1", "ip/weight": "ip/0", "ip/bias": "ip/1"}
"""Our name -> Caffe's layer and blob number."""


def caffe_blobs(chosen: Case) -> dict[str, Array]:
    return {PLACES[name]: array for name, array in initial(chosen).items()}


def from_caffe(blobs: Mapping[str, Array]) -> dict[str, Array]:
    return {name: blobs[place] for name, place in PLACES.items()}


def graph(chosen: Case) -> ir.Model:
    nodes = [
        helper.make_node(
            "Conv", ["data", "conv/weight", "conv/bias"], ["conv"], kernel_shape=[3, 3]
        ),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "ip/weight", "ip/bias"], ["ip"], transB=1),
    ]
    return model_of(nodes, {"data": (BATCH, 1, 8, 8)}, ["ip"], initial(chosen))


def net_text(chosen: Case) -> str:
    mult = chosen.recipe.lr_mult
    return f"""
layer {{ name: "data" type: "MemoryData" top: "data" top: "label"
  memory_data_param {{ batch_size: {BATCH} channels: 1 height: 8 width: 8 }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param {{ lr_mult: 1 }} param {{ lr_mult: {mult["conv/bias"]} decay_mult: 0 }}
  convolution_param {{ num_output: 3 kernel_size: 3 }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param {{ pool: MAX kernel_size: 2 stride: 2 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  param {{ lr_mult: {mult["ip/weight"]} decay_mult: 3 }} param {{ lr_mult: {mult["ip/bias"]} }}
  inner_product_param {{ num_output: {chosen.classes} }} }}
layer {{ name: "loss" bottom: "ip" bottom: "label" top: "loss" {chosen.loss} }}
"""


def solver_text(chosen: Case, net: Path) -> str:
    recipe, rate = chosen.recipe, chosen.recipe.learning_rate
    lines = [
        f'net: "{net}"',
        f'type: "{recipe.solver}"',
        f'lr_policy: "{rate.policy}"',
        f"base_lr: {rate.base} gamma: {rate.gamma} power: {rate.power} stepsize: {rate.stepsize}",
        *(f"stepvalue: {step}" for step in rate.steps),
        f"momentum: {recipe.momentum} momentum2: {recipe.momentum2} delta: {recipe.delta}",
        f'weight_decay: {recipe.weight_decay} regularization_type: "{recipe.regularization}"',
        f"max_iter: {recipe.iterations} iter_size: {recipe.accumulate} snapshot_after_train: false",
    ]
    if recipe.solver == "RMSProp":
        lines.append(f"rms_decay: {recipe.rms_decay}")
    if recipe.clip_gradients is not None:
        lines.append(f"clip_gradients: {recipe.clip_gradients}")
    return "\n".join(lines)
