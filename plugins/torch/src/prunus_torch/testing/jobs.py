"""Training jobs around small graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import (
    ArrayDataset,
    Binding,
    Compact,
    Dataset,
    Measurement,
    Network,
    Progress,
    Recipe,
    TrainingJob,
    Weights,
    sample_positions,
)


def network_of(model: ir.Model, roles: Mapping[str, str] | None = None) -> Network:
    """A network whose initializers are bound by role; without roles nothing is bound."""
    bindings = {name: Binding(name.partition("/")[0], role) for name, role in (roles or {}).items()}
    return Network(model, "onnx", bindings, {})


def roles_by_name(model: ir.Model) -> dict[str, str]:
    """Initializer ``<layer>/<role>`` -> role, as the formats name them."""
    known = {"weight", "bias", "scale", "shift", "slope", "mean", "variance"}
    names = [(name, name.rpartition("/")[2]) for name in model.graph.initializers]
    return {name: role for name, role in names if role in known}


def in_order(
    samples: NDArray[np.float32], labels: Any, seed: int = 0, name: str = "data"
) -> ArrayDataset:
    """A data set whose first epoch comes in the given order, although training shuffles."""
    order = sample_positions(len(samples), seed, 0, len(samples))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    kept = None if labels is None else np.asarray(labels)[position]
    return ArrayDataset(name, samples[position], kept)


def job_of(
    network: Network,
    recipe: Recipe,
    training: Dataset,
    workspace: Path,
    *,
    teacher: Network | None = None,
    evaluate: Callable[[Weights], Measurement] | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    resume: bool = False,
    seed: int = 0,
    options: Mapping[str, str] | None = None,
) -> TrainingJob:
    """A job that trains the network whole: its compact form keeps everything."""
    compact = Compact(network.model, {})
    return TrainingJob(
        network,
        compact,
        recipe,
        training,
        evaluate,
        teacher,
        workspace,
        resume,
        seed,
        report,
        options or {},
    )
