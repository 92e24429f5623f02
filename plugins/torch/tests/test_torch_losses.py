"""Every loss: value by its formula, gradient by central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from onnx import helper
from torch import Tensor

from prunus.errors import DataError, ModelError, UsageError
from prunus.task import Loss
from prunus_torch.distillation import build_distillation
from prunus_torch.heads import Head, head_of
from prunus_torch.losses import build_term
from prunus_torch.testing.graphs import model_of

CLASSES = np.array([2, 0, 1, 2])
DENSE = np.random.default_rng(2).random((4, 3))
PLACES = np.random.default_rng(4).integers(0, 3, (4, 2, 2))


def graph(*tail: Any, output: str = "scores") -> ir.Model:
    nodes = [helper.make_node("Relu", ["x"], ["scores"]), *tail]
    return model_of(nodes, {"x": (4, 3)}, [output], {})


def of_outputs(outputs: dict[str, Tensor], labels: Any, parameters: dict[str, Any]) -> Tensor:
    """A plugin's own loss, found by module:function."""
    return (outputs["scores"] ** 3).mean() * parameters["factor"]


LOSSES = [
    (Loss("softmax_cross_entropy", ("scores",)), CLASSES, (4, 3)),
    (Loss("softmax_cross_entropy", ("scores",), 0.3, {"ignore_label": 2}), CLASSES, (4, 3)),
    (Loss("softmax_cross_entropy", ("scores",)), PLACES, (4, 3, 2, 2)),
    (
        Loss("softmax_cross_entropy", ("scores",), 1.0, {"normalization": "BATCH_SIZE"}),
        PLACES,
        (4, 3, 2, 2),
    ),
    (Loss("sigmoid_cross_entropy", ("scores",)), DENSE, (4, 3)),
    (Loss("sigmoid_cross_entropy", ("scores",)), CLASSES, (4, 3)),
    (Loss("euclidean", ("scores",), 2.0), DENSE, (4, 3)),
    (Loss("hinge", ("scores",)), CLASSES, (4, 3)),
    (Loss("hinge", ("scores",), 1.0, {"norm": "L2"}), CLASSES, (4, 3)),
]


def numeric(function: Any, x: Tensor) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in np.ndindex(*x.shape):
        up, down = x.clone(), x.clone()
        up[index] += 1e-5
        down[index] -= 1e-5
        gradient[index] = (function(up) - function(down)) / 2e-5
    return gradient


def scores_of(shape: tuple[int, ...], seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape) * 2)


@pytest.mark.parametrize(("loss", "labels", "shape"), LOSSES, ids=lambda v: str(v)[:60])
def test_gradient(loss: Loss, labels: Any, shape: tuple[int, ...]) -> None:
    term, values = build_term(loss, graph())
    assert values == ("scores",)

    def function(x: Tensor) -> Tensor:
        return term({"scores": x}, labels)

    x = scores_of(shape).requires_grad_()
    function(x).backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, numeric(function, x.detach()), atol=1e-7)
    assert x.grad.abs().max() > 1e-3


def test_softmax_cross_entropy_is_the_mean_negative_log_likelihood() -> None:
    term, _ = build_term(Loss("softmax_cross_entropy", ("scores",)), graph())
    x = scores_of((4, 3))
    chance = np.exp(x.numpy()) / np.exp(x.numpy()).sum(1, keepdims=True)
    wanted = -np.log(chance[np.arange(4), CLASSES]).mean()
    assert float(term({"scores": x}, CLASSES)) == pytest.approx(wanted, rel=1e-9)


def test_dense_losses_are_sums_over_the_batch_size() -> None:
    x = scores_of((4, 3))
    y = x.numpy()
    chance = 1 / (1 + np.exp(-y))
    entropy = -(DENSE * np.log(chance) + (1 - DENSE) * np.log(1 - chance)).sum() / 4
    sign = np.where(np.eye(3)[CLASSES] == 1, -1, 1)
    for kind, labels, wanted in [
        ("sigmoid_cross_entropy", DENSE, entropy),
        ("euclidean", DENSE, ((y - DENSE) ** 2).sum() / 8),
        ("hinge", CLASSES, np.maximum(0, 1 + sign * y).sum() / 4),
    ]:
        term, _ = build_term(Loss(kind, ("scores",)), graph())
        assert float(term({"scores": x}, labels)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("labels", [CLASSES, CLASSES.astype(np.uint8)])
def test_final_softmax_is_left_to_the_loss(labels: Any) -> None:
    tail = [
        helper.make_node("Softmax", ["scores"], ["p"]),
        helper.make_node("Flatten", ["p"], ["prob"]),
    ]
    term, values = build_term(Loss("softmax_cross_entropy", ()), graph(*tail, output="prob"))
    plain, _ = build_term(Loss("softmax_cross_entropy", ("scores",)), graph())
    x = scores_of((4, 3))
    assert values == ("scores",)
    assert float(term({"scores": x}, labels)) == float(plain({"scores": x}, labels))


def test_heads() -> None:
    sigmoid = graph(helper.make_node("Sigmoid", ["scores"], ["prob"]), output="prob")
    assert head_of(sigmoid, "prob") == Head("prob", "scores", "Sigmoid", 1)
    assert head_of(graph(), "scores") == Head("scores", "scores")
    _, values = build_term(Loss("sigmoid_cross_entropy", ()), sigmoid)
    assert values == ("scores",)
    assert build_term(Loss("euclidean", ()), sigmoid)[1] == ("prob",)


def test_loss_of_a_plugin() -> None:
    import sys

    sys.modules["prunus_test_losses"] = sys.modules[__name__]
    loss = Loss("prunus_test_losses:of_outputs", ("scores",), 2.0, {"factor": 5.0})
    term, values = build_term(loss, graph())
    x = scores_of((4, 3))
    assert values == ("scores",)
    assert float(term({"scores": x}, None)) == pytest.approx(10 * float((x**3).mean()))


@pytest.mark.parametrize("classes", [True, False])
def test_imitation_gradient(classes: bool) -> None:
    losses = (Loss("softmax_cross_entropy", ("scores",)),) if classes else ()
    distillation, values = build_distillation(graph(), losses, 3.0)
    teacher = {"scores": scores_of((4, 3), 9)}

    def function(x: Tensor) -> Tensor:
        return distillation({"scores": x}, teacher)

    x = scores_of((4, 3)).requires_grad_()
    function(x).backward()
    assert values == ("scores",)
    assert x.grad is not None
    assert torch.allclose(x.grad, numeric(function, x.detach()), atol=1e-7)
    assert float(function(teacher["scores"])) == pytest.approx(0, abs=1e-12)


def test_imitation_of_a_classifier_ignores_what_softmax_ignores() -> None:
    distillation, _ = build_distillation(graph(), (Loss("softmax_cross_entropy", ()),), 2.0)
    teacher = {"scores": scores_of((4, 3), 9)}
    assert float(distillation({"scores": teacher["scores"] + 5}, teacher)) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize(
    ("loss", "labels", "error", "message"),
    [
        (
            Loss("contrastive", ()),
            CLASSES,
            UsageError,
            "loss 'contrastive' is not known; use euclidean, hinge, sigmoid_cross_entropy, "
            "softmax_cross_entropy or module:function",
        ),
        (
            Loss("euclidean", ("nope",)),
            CLASSES,
            ModelError,
            "loss 'euclidean' reads output 'nope', the graph has ['scores']",
        ),
        (
            Loss("nowhere:loss", ()),
            CLASSES,
            UsageError,
            "loss 'nowhere:loss' cannot be imported: No module named 'nowhere'",
        ),
        (
            Loss("softmax_cross_entropy", ()),
            None,
            DataError,
            "loss 'softmax_cross_entropy' needs labels and the samples have none; use --distill",
        ),
        (
            Loss("softmax_cross_entropy", ()),
            CLASSES + 1,
            DataError,
            "label 3 does not fit the network's 3 outputs; is this the right data set?",
        ),
        (
            Loss("softmax_cross_entropy", ()),
            CLASSES[:3],
            DataError,
            "labels of shape [3] do not fit scores of shape [4, 3]",
        ),
        (
            Loss("softmax_cross_entropy", (), 1.0, {"normalization": "odd"}),
            CLASSES,
            UsageError,
            "loss 'softmax_cross_entropy': normalization 'ODD' is not known; "
            "use VALID, FULL, BATCH_SIZE, NONE",
        ),
    ],
)
def test_errors(loss: Loss, labels: Any, error: type[Exception], message: str) -> None:
    def compute() -> None:
        term, _ = build_term(loss, graph())
        term({"scores": scores_of((4, 3))}, labels)

    with pytest.raises(error) as caught:
        compute()
    assert str(caught.value) == message
