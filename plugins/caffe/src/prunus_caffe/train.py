"""Trainer ``caffe``: the user's own pycaffe trains the compact network with the user's solver.

Caffe runs in its own interpreter and is told when to update, save and take a snapshot; what
the interval, Ctrl-C or a diverging loss ask for is decided here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prunus.plugin import (
    DataError,
    Source,
    TrainingJob,
    TrainingLoop,
    UsageError,
    Weights,
    deferred,
)
from prunus_caffe.origin import Origin
from prunus_caffe.read import load
from prunus_caffe.training.files import TrainingFiles, write_files
from prunus_caffe.training.process import Caffe, interpreter, running
from prunus_caffe.training.snapshots import Snapshot, Snapshots, job_digest


def finetune(job: TrainingJob) -> Weights:
    """Train the compact network of a job in real Caffe.

    Files go to ``caffe/`` in the job's workspace: ``net_finetune.prototxt`` and its
    caffemodel, ``solver_finetune.prototxt``, Caffe's log, and the snapshots
    ``compact_iter_N.caffemodel`` and ``compact_iter_N.solverstate``.

    Returns:
        Every weight the network binds, after the last update.

    Raises:
        UsageError: no interpreter with Caffe, no solver, no data layer, distillation, samples
            from elsewhere, Python layers without the user's word, or training diverged.
        PluginError: Caffe ended by itself.
        StaleError: the snapshot to resume belongs to another job.
        KeyboardInterrupt: Ctrl-C, after a snapshot was taken.
    """
    origin = job.network.origin
    _check(job, origin)
    assert isinstance(origin, Origin)
    python = interpreter(job.options)
    directory = job.workspace / "caffe"
    directory.mkdir(exist_ok=True)
    files = write_files(job, origin, directory)
    digest = job_digest(job, files.net.read_text(errors="surrogateescape"), files.solver_text)
    snapshots = Snapshots(directory, digest)
    found = snapshots.newest(job.recipe.iterations) if job.resume else None
    with (
        deferred() as interrupted,
        running(python, _orders(job, files, found), directory / "caffe.log") as caffe,
    ):

        def save(iteration: int, loss: float) -> None:
            caffe.ask("snapshot")
            snapshots.record(iteration, loss)

        loop = TrainingLoop(job, lambda: _weights(job, files, caffe), save, interrupted)
        if found is not None:
            loop.iteration, loop.loss = found.iteration, found.loss
        if not caffe.begin()["losses"]:
            raise UsageError(
                f"{files.net}: no loss layer in the TRAIN phase, so nothing would be trained"
            )
        if found is None:
            snapshots.forget()
        while not loop.done:
            # Caffe does not store the state of its random numbers, so each update has its own
            answer = caffe.ask("step", seed=files.seed + loop.iteration)
            loop.advance(answer["loss"], answer["rate"])
        return loop.weights()


def _check(job: TrainingJob, origin: object) -> None:
    if not isinstance(origin, Origin):
        raise UsageError(
            "trainer caffe trains networks read from Caffe files; use --trainer torch for others"
        )
    python = [layer.name for layer in origin.net.phase("TRAIN") if layer.type == "Python"]
    if python and not job.allow_code:
        raise UsageError(
            f"{origin.net.path}: layer '{python[0]}' makes Caffe run a Python module that this "
            "file names; if you trust it, give --allow-code, or use --trainer torch"
        )
    if job.teacher is not None:
        raise UsageError(
            "trainer caffe cannot distill: Caffe runs one net at a time; "
            "use --trainer torch with --distill"
        )
    own = job.network.task.training
    try:
        same = own is None or own().digest() == job.training.digest()
    except DataError as error:
        raise UsageError(
            "trainer caffe takes samples and labels from the data layer of the prototxt, not from "
            f"--train-data: {str(error).partition(';')[0]}; mend the layer, or use --trainer torch"
        ) from error
    if not same:
        raise UsageError(
            "trainer caffe takes samples and labels from the data layer of the prototxt: leave "
            "--train-data out, or use --trainer torch"
        )


def _orders(job: TrainingJob, files: TrainingFiles, begin: Snapshot | None) -> dict[str, Any]:
    """Start code of the other interpreter."""
    done = 0 if begin is None else begin.iteration
    return {
        "solver": str(files.solver),
        "weights": str(files.weights),
        "state": None if begin is None else str(begin.state.absolute()),
        "skip": done * job.recipe.accumulate,
        "device": files.device,
        "base_lr": job.recipe.learning_rate.base,
        "masks": None if files.masks is None else str(files.masks),
    }


def _weights(job: TrainingJob, files: TrainingFiles, caffe: Caffe) -> Weights:
    """The compact weights as they are now, read as any caffemodel is."""
    origin = job.network.origin
    assert isinstance(origin, Origin)
    path = files.weights.with_name("current.caffemodel")
    caffe.ask("save", path=str(path))
    network = load(Source(files.net, path, origin.source.options))
    path.unlink()
    found = network.weights()
    return {name: np.ascontiguousarray(found[name]) for name in origin.parameters}
