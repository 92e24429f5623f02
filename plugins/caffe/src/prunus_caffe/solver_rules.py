"""Settings that a solver needs to train at all (Caffe's ``sgd_solver.cpp``, ``sgd_solvers.hpp``).

Some of it Caffe checks itself; other solvers it runs without an effect, at rate 0 or for no
iteration, or to numbers that are none: a damaged file must not end as a finished training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from prunus.plugin import (
    COUNT,
    COUNT_OR_NONE,
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_BELOW_ONE,
    Range,
    TextBlock,
    UsageError,
    check_room,
)
from prunus_caffe.bind import Bound
from prunus_caffe.records.layers import LayerRecord

POLICIES = frozenset({"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"})

_RANGES: dict[str, Range] = {
    "average_loss": COUNT,
    "base_lr": POSITIVE,
    "clip_gradients": FINITE,
    "delta": NOT_NEGATIVE,
    "gamma": NOT_NEGATIVE,
    "iter_size": COUNT,
    "max_iter": COUNT,
    "momentum": SHARE_BELOW_ONE,
    "momentum2": SHARE_BELOW_ONE,
    "power": FINITE,
    "rms_decay": SHARE_BELOW_ONE,
    "snapshot": COUNT_OR_NONE,
    "stepsize": COUNT,
    "stepvalue": COUNT_OR_NONE,
    "test_interval": COUNT_OR_NONE,
    "test_iter": COUNT_OR_NONE,
    "weight_decay": NOT_NEGATIVE,
}
_NEEDED = ("lr_policy", "base_lr", "max_iter")
_NEEDED_BY = {
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "multistep": ("gamma",),
    "sigmoid": ("gamma", "stepsize"),
}
"""Policies whose rate is 0, or no number, without these fields."""

_WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")


def check_fields(path: Path, root: TextBlock, bound: Bound) -> None:
    """Refuse a solver whose fields are unknown, missing, or of impossible values.

    Raises:
        UsageError: with file and line.
    """
    if not root.fields:
        raise UsageError(
            f"{path}: expected a solver, found no field; a comment ends where a line ends with LF, "
            "not with CR alone"
        )
    for unknown in bound.unknown:
        if unknown.near is not None:
            raise UsageError(f"{path}:{unknown.line}: {unknown}")
    if bound.foreign:
        raise UsageError(f"{path}: {bound.foreign[0]}, which Caffe does not define")
    solver = bound.message
    if solver.HasField("lr_policy") and solver.lr_policy not in POLICIES:
        raise UsageError(
            f"{path}: unknown lr_policy '{solver.lr_policy}'; "
            f"Caffe has {', '.join(sorted(POLICIES))}"
        )
    for name in (*_NEEDED, *_NEEDED_BY.get(solver.lr_policy, ())):
        if not solver.HasField(name):
            raise UsageError(f"{path}: expected '{name}' in the solver, found none")
    for name, allowed in _RANGES.items():
        read = getattr(solver, name)
        values = [read] if isinstance(read, int | float) else read
        for scalar, value in zip(root.scalars(name), values, strict=False):
            if not allowed.holds(value):
                raise UsageError(
                    f"{path}:{scalar.line}: expected {allowed} for '{name}', found '{scalar.text}'"
                )
    if list(solver.stepvalue) != sorted(solver.stepvalue):
        raise UsageError(f"{path}: expected 'stepvalue' in rising order")
    if solver.regularization_type not in ("L1", "L2"):
        raise UsageError(
            f"{path}: unknown regularization_type '{solver.regularization_type}'; "
            "Caffe has L1 and L2"
        )


def check_momentum(path: Path, kind: str, momentum: float) -> None:
    """Refuse momentum where Caffe does.

    Raises:
        UsageError: the update rule takes none.
    """
    if kind in _WITHOUT_MOMENTUM and momentum:
        raise UsageError(f"{path}: momentum cannot be used with {kind}; leave it out")


def check_layer(path: Path, layer: LayerRecord) -> None:
    """Refuse what a layer says about its training and no training can have.

    Raises:
        UsageError: with file, line and layer.
    """
    params = layer.params
    stated = {
        "loss_weight": (FINITE, params.loss_weight),
        "dropout_ratio": (SHARE_BELOW_ONE, [params.dropout_param.dropout_ratio]),
    }
    if layer.v1:
        stated |= {
            "blobs_lr": (NOT_NEGATIVE, params.blobs_lr),
            "weight_decay": (NOT_NEGATIVE, params.weight_decay),
        }
    else:
        fraction = params.batch_norm_param.moving_average_fraction
        stated |= {
            "lr_mult": (NOT_NEGATIVE, [spec.lr_mult for spec in params.param]),
            "decay_mult": (NOT_NEGATIVE, [spec.decay_mult for spec in params.param]),
            "moving_average_fraction": (SHARE, [fraction]),
        }
    for name, (allowed, values) in stated.items():
        for value in values:
            if not allowed.holds(value):
                raise UsageError(
                    f"{path}:{layer.line}: layer '{layer.name}': expected {allowed} for '{name}', "
                    f"found {value:g}"
                )


def check_batch(path: Path, size: int, sample: Sequence[int]) -> None:
    """Refuse, before anything is allocated, a batch that this machine cannot hold.

    Args:
        path: The network's file.
        size: ``batch_size`` of its data layer.
        sample: Shape of one sample.

    Raises:
        UsageError: it is too large.
    """
    check_room(size * math.prod(sample) * 4, f"{path}: batch_size {size}", UsageError)
