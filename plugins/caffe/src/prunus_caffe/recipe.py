"""solver.prototxt and the train net's settings to a recipe (``caffe.proto``, SolverParameter)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import (
    LearningRate,
    Loss,
    Recipe,
    TextDocument,
    TextEdit,
    UsageError,
    read_protobuf_text,
)
from prunus_caffe.bind import bind
from prunus_caffe.data import READ
from prunus_caffe.lower.table import is_loss
from prunus_caffe.records.layers import LayerRecord, NetRecord
from prunus_caffe.solver_rules import check_batch, check_fields, check_layer, check_momentum

_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
_BY_NUMBER = tuple(_TYPES.values())

_LOSSES = {
    "SoftmaxWithLoss": "softmax_cross_entropy",
    "SigmoidCrossEntropyLoss": "sigmoid_cross_entropy",
    "EuclideanLoss": "euclidean",
    "HingeLoss": "hinge",
}


def read_solver(path: Path) -> Any:
    """SolverParameter of a file.

    Raises:
        ModelError: missing or broken (file and line).
        UsageError: a field is unknown, missing or of an impossible value.
    """
    root = read_protobuf_text(path).root
    bound = bind(root, "SolverParameter", path)
    check_fields(path, root, bound)
    solver = bound.message
    check_momentum(path, solver_type(solver, path), solver.momentum)
    return solver


def solver_notes(path: Path) -> tuple[str, ...]:
    """Fields of other Caffe forks, which have no effect here."""
    bound = bind(read_protobuf_text(path).root, "SolverParameter", path)
    return tuple(
        f"{path}:{unknown.line}: {unknown}; it has no effect here" for unknown in bound.unknown
    )


def solver_type(solver: Any, path: Path) -> str:
    """Update rule by its name today; the old ``solver_type`` enum is understood."""
    if solver.HasField("solver_type") and not solver.HasField("type"):
        return _BY_NUMBER[int(solver.solver_type)]
    name = _TYPES.get(str(solver.type).upper())
    if name is None:
        raise UsageError(
            f"{path}: unknown solver type '{solver.type}'; there are {', '.join(_BY_NUMBER)}"
        )
    return name


def recipe_of(net: NetRecord, solver_path: Path | None) -> Recipe:
    """The recipe of a network; Caffe's defaults where there is no solver."""
    recipe = (
        Recipe(learning_rate=LearningRate(base=0.001))
        if solver_path is None
        else _solver(solver_path)
    )
    for layer in net.layers:
        check_layer(net.path, layer)
    lr, decay = _multipliers(net)
    sizes = [
        layer.batch_size for layer in net.phase("TRAIN") if layer.type in READ | {"MemoryData"}
    ]
    batch_size = next((size for size in sizes if size), recipe.batch_size)
    check_batch(net.path, batch_size, next(iter(net.sample_shapes.values()), ()))
    return attrs.evolve(
        recipe,
        lr_mult=lr,
        decay_mult=decay,
        losses=losses_of(net),
        dropout=dict(net.dropout),
        batch_size=batch_size,
        bn_momentum=_moving_average(net),
        bn_frozen=_stored_statistics(net),
    )


def finetune_solver(document: TextDocument, net: str, prefix: str) -> str:
    """The user's solver with only ``net`` and ``snapshot_prefix`` rewritten (as decent_p)."""
    edits = []
    for key, value in (("net", net), ("train_net", net), ("snapshot_prefix", prefix)):
        edits += [TextEdit(s.start, s.end, f'"{value}"') for s in document.root.scalars(key)]
    return document.edited(edits)


def training_solver(document: TextDocument, changes: Mapping[str, str | None]) -> str:
    """The user's solver with fields set, added at the end where missing, or left out.

    Args:
        document: The solver as it is.
        changes: Field -> its new value as text, ``None`` to leave the field out.
    """
    present = {field.name for field in document.root.fields}
    edits = [
        TextEdit(field.start, field.after, "")
        if value is None
        else TextEdit(field.start, field.end, f"{field.name}: {value}")
        for field in document.root.fields
        if field.name in changes
        for value in [changes[field.name]]
    ]
    added = "".join(
        f"\n{name}: {value}"
        for name, value in changes.items()
        if value is not None and name not in present
    )
    return document.edited(edits) + added + "\n"


def _solver(path: Path) -> Recipe:
    solver = read_solver(path)
    policy = LearningRate(
        policy=solver.lr_policy,
        base=solver.base_lr,
        gamma=solver.gamma,
        power=solver.power,
        stepsize=solver.stepsize or 1,
        steps=tuple(solver.stepvalue),
    )
    return Recipe(
        solver=solver_type(solver, path),
        learning_rate=policy,
        momentum=solver.momentum,
        momentum2=solver.momentum2,
        delta=solver.delta,
        rms_decay=solver.rms_decay,
        weight_decay=solver.weight_decay,
        regularization=solver.regularization_type,
        iterations=solver.max_iter,
        accumulate=solver.iter_size,
        clip_gradients=solver.clip_gradients if solver.clip_gradients > 0 else None,
        test_interval=solver.test_interval,
        snapshot=solver.snapshot,
    )


def _multipliers(net: NetRecord) -> tuple[dict[str, float], dict[str, float]]:
    """lr_mult and decay_mult of every initializer; V1 nets: blobs_lr and weight_decay."""
    lr: dict[str, float] = {}
    decay: dict[str, float] = {}
    layers = {layer.name: layer for layer in net.phase("TRAIN")}
    for (name, index), initializer in net.parameters.items():
        layer = layers.get(name)
        if layer is None:
            continue
        if layer.v1:
            rates, decays = list(layer.params.blobs_lr), list(layer.params.weight_decay)
        else:
            rates = [spec.lr_mult for spec in layer.params.param]
            decays = [spec.decay_mult for spec in layer.params.param]
        if index < len(rates):
            lr[initializer] = rates[index]
        if index < len(decays):
            decay[initializer] = decays[index]
    return lr, decay


def losses_of(net: NetRecord) -> tuple[Loss, ...]:
    """Loss layers of the TRAIN phase on graph outputs, with their weights."""
    known = _values(net)
    found = []
    for layer in net.phase("TRAIN"):
        kind = _LOSSES.get(layer.type)
        if kind is None or not is_loss(layer.type) or not layer.bottoms:
            continue
        value = net.feeds.get(layer.name, (None,))[0] or known.get(layer.bottoms[0])
        if value is None:
            continue
        weights = list(layer.params.loss_weight)
        found.append(Loss(kind, (value,), weights[0] if weights else 1.0, _parameters(layer)))
    return tuple(found)


def _values(net: NetRecord) -> dict[str, str]:
    """Blob -> graph value, for train-only loss layers that read what TEST layers read."""
    found: dict[str, str] = {}
    for layer in net.layers:
        for bottom, value in zip(layer.bottoms, net.feeds.get(layer.name, ()), strict=False):
            if value is not None:
                found[bottom] = value
    return found


def _parameters(layer: LayerRecord) -> dict[str, Any]:
    chosen = layer.params.loss_param
    settings: dict[str, Any] = {}
    if chosen.HasField("ignore_label"):
        settings["ignore_label"] = chosen.ignore_label
    if layer.type == "HingeLoss":
        settings["norm"] = layer.params.hinge_loss_param.norm
    return settings


def _moving_average(net: NetRecord) -> float:
    """BatchNorm's moving_average_fraction (one for the whole net; Caffe's default 0.999)."""
    for layer in net.phase("TRAIN"):
        if layer.type == "BatchNorm":
            return float(layer.params.batch_norm_param.moving_average_fraction)
    return 0.999


def _stored_statistics(net: NetRecord) -> bool:
    """Whether training normalises by the stored statistics too (``use_global_stats``)."""
    return any(
        layer.params.batch_norm_param.use_global_stats
        for layer in net.phase("TRAIN")
        if layer.type == "BatchNorm"
    )
