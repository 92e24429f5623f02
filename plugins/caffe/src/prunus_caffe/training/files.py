"""The files real Caffe trains from: compact net, its weights, the user's solver."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from prunus.plugin import (
    Destination,
    ModelError,
    Recipe,
    TextEdit,
    TrainingJob,
    UsageError,
    encode_text,
    read_protobuf_text,
)
from prunus_caffe.data import READ
from prunus_caffe.origin import Origin
from prunus_caffe.recipe import read_solver, training_solver
from prunus_caffe.records.layers import NetRecord
from prunus_caffe.records.structure import read_structure
from prunus_caffe.training.snapshots import PREFIX
from prunus_caffe.write import write

FEEDING = READ | {"AnnotatedData", "VideoData", "WindowData", "Python"}
"""Layers without bottoms from which Caffe gets samples by itself."""

_GPU = 1
"""``SolverParameter.SolverMode``."""

_LEFT_OUT = (
    "net", "net_param", "train_net_param", "test_net", "test_net_param", "test_iter",
    "test_interval", "test_initialization", "test_state", "weights", "snapshot", "snapshot_format",
)  # fmt: skip
"""Evaluation, starting weights and the times of snapshots are the trainer's own."""


@attrs.frozen
class TrainingFiles:
    """Inputs of the other interpreter.

    Attributes:
        net: Compact prototxt.
        weights: Its caffemodel.
        solver: The user's solver for it.
        solver_text: Its text without what may differ when a training is continued.
        device: GPU the solver asks for, ``None`` for the CPU.
        seed: Seed the solver starts with.
        masks: Masks of single weights, if there are any.
    """

    net: Path
    weights: Path
    solver: Path
    solver_text: str
    device: int | None
    seed: int
    masks: Path | None = None


def write_files(job: TrainingJob, origin: Origin, directory: Path) -> TrainingFiles:
    """Write the compact network and the solver.

    Raises:
        UsageError: there is no solver, or no data layer to train from.
        ModelError: a file cannot be written.
    """
    solver = origin.source.task.solver
    if solver is None:
        raise UsageError("trainer caffe trains with your own solver: give its file with --solver")
    path = origin.net.path
    if not any(layer.type in FEEDING and not layer.bottoms for layer in origin.net.phase("TRAIN")):
        raise UsageError(
            f"{path}: no data layer in the TRAIN phase for trainer caffe to read samples from; "
            "prune the train_val prototxt, or use --trainer torch"
        )
    written = write(job.network, job.compact, Destination(directory, "compact", "net_finetune"))
    assert written.weights is not None
    net = read_structure(written.model)
    _store(written.model, _with_batch_size(net, job.recipe.batch_size))
    files = _solver_files(job, solver, written.model.absolute(), written.weights.absolute())
    return attrs.evolve(files, masks=_masks(job, origin, directory))


def _masks(job: TrainingJob, origin: Origin, directory: Path) -> Path | None:
    """Masks in the shape of Caffe's blobs, under ``LAYER/BLOB NUMBER``."""
    if not job.masks:
        return None
    found = {}
    for name, mask in job.masks.items():
        parameter = origin.parameters[name]
        native = parameter.native(mask.astype(np.float32))
        for layer, index in zip(parameter.layers, parameter.indices, strict=True):
            found[f"{layer}/{index}"] = native
    path = directory.absolute() / "masks.npz"
    with path.open("wb") as file:
        np.savez(file, **found)  # type: ignore[arg-type]
    return path


def _solver_files(job: TrainingJob, solver: Path, net: Path, weights: Path) -> TrainingFiles:
    document, params = read_protobuf_text(solver), read_solver(solver)
    own = params.random_seed if params.HasField("random_seed") else -1
    seed = job.seed if job.seed or own < 0 else int(own)
    changes = {
        **dict.fromkeys(_LEFT_OUT),
        "train_net": f'"{net}"',
        "snapshot_prefix": f'"{net.parent / PREFIX}"',
        "random_seed": str(seed),
        "max_iter": str(job.recipe.iterations),
    }
    if job.recipe.learning_rate.base != params.base_lr:
        changes["base_lr"] = f"{job.recipe.learning_rate.base:.9g}"
    path = net.with_name("solver_finetune.prototxt")
    _store(path, training_solver(document, changes))
    if not _has_end(job.recipe):
        changes["max_iter"] = None
    same = training_solver(document, changes)
    device = int(params.device_id) if params.solver_mode == _GPU else None
    return TrainingFiles(net, weights, path, same, device, seed)


def _store(path: Path, text: str) -> None:
    try:
        path.write_bytes(encode_text(text))
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror})") from error


def _has_end(recipe: Recipe) -> bool:
    """Whether the learning rate depends on the number of iterations."""
    return recipe.learning_rate.policy == "poly"


def _with_batch_size(net: NetRecord, size: int) -> str:
    """The net's text with TRAIN data layers of another batch size, where they state one."""
    edits = [
        TextEdit(value.start, value.end, str(size))
        for layer in net.phase("TRAIN")
        if layer.type in READ
        for field in layer.block.fields
        for block in layer.block.blocks(field.name)
        for value in block.scalars("batch_size")
        if int(value.text) != size
    ]
    return net.document.edited(edits)
