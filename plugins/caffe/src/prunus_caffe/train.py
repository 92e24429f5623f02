"""Trainer ``caffe``: the user's own pycaffe trains the compact network with the user's solver.

Caffe runs in its own interpreter and is told when to update, save and take a snapshot; what
the interval, Ctrl-C or a diverging loss ask for is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from prunus.errors import UsageError
from prunus.interrupt import deferred
from prunus.network import Source
from prunus.training import Progress, TrainingJob, Weights
from prunus_caffe.origin import Origin
from prunus_caffe.read import load
from prunus_caffe.training.files import TrainingFiles, write_files
from prunus_caffe.training.process import Caffe, interpreter, running
from prunus_caffe.training.snapshots import Snapshots, job_digest

SMOOTHING = 0.95
"""Share of the past in the reported loss."""


def finetune(job: TrainingJob) -> Weights:
    """Train the compact network of a job in real Caffe.

    Files go to ``caffe/`` in the job's workspace: ``net_finetune.prototxt`` and its
    caffemodel, ``solver_finetune.prototxt``, Caffe's log, and the snapshots
    ``compact_iter_N.caffemodel`` and ``compact_iter_N.solverstate``.

    Returns:
        Every weight the network binds, after the last update.

    Raises:
        UsageError: no interpreter with Caffe, no solver, no data layer, distillation, samples
            from elsewhere, or training diverged.
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
    with deferred() as interrupted:
        run = _start(job, files, Snapshots(directory, digest))
        with running(python, run.orders(), directory / "caffe.log") as caffe:
            return _train(run, caffe, interrupted)


def _check(job: TrainingJob, origin: object) -> None:
    if not isinstance(origin, Origin):
        raise UsageError(
            "trainer caffe trains networks read from Caffe files; use --trainer torch for others"
        )
    if job.teacher is not None:
        raise UsageError(
            "trainer caffe cannot imitate the original network: Caffe runs one net at a time; "
            "use --trainer torch with --distill"
        )
    own = job.network.task.training
    if own is not None and own().digest() != job.training.digest():
        raise UsageError(
            "trainer caffe takes samples and labels from the data layer of the prototxt: leave "
            "--train-data out, or use --trainer torch"
        )


@attrs.define(eq=False)
class _Run:
    """A training under way.

    Attributes:
        job: What to do.
        files: What Caffe reads.
        snapshots: What it wrote.
        state: Solverstate it continues from.
        iteration: Updates done.
        loss: Smoothed loss.
    """

    job: TrainingJob
    files: TrainingFiles
    snapshots: Snapshots
    state: Path | None = None
    iteration: int = 0
    loss: float = math.nan

    def orders(self) -> dict[str, Any]:
        """What the other interpreter starts with."""
        return {
            "solver": str(self.files.solver),
            "weights": str(self.files.weights),
            "state": None if self.state is None else str(self.state.absolute()),
            "skip": self.iteration * self.job.recipe.accumulate,
            "device": self.files.device,
            "base_lr": self.job.recipe.learning_rate.base,
        }

    def observe(self, answer: Mapping[str, Any]) -> None:
        """Take the outcome of an update.

        Raises:
            UsageError: the loss is not a number.
        """
        self.iteration, loss = answer["iteration"], answer["loss"]
        if not math.isfinite(loss):
            raise UsageError(
                f"training diverged at iteration {self.iteration}: the loss is {loss}; lower the "
                f"learning rate (now {answer['rate']:g}, --learning-rate)"
            )
        past = loss if math.isnan(self.loss) else self.loss
        self.loss = SMOOTHING * past + (1 - SMOOTHING) * loss


def _start(job: TrainingJob, files: TrainingFiles, snapshots: Snapshots) -> _Run:
    found = snapshots.newest(job.recipe.iterations) if job.resume else None
    if found is not None:
        return _Run(job, files, snapshots, found.state, found.iteration, found.loss)
    return _Run(job, files, snapshots)


def _train(run: _Run, caffe: Caffe, interrupted: Callable[[], bool]) -> Weights:
    job, recipe = run.job, run.job.recipe
    if not caffe.begin()["losses"]:
        raise UsageError(
            f"{run.files.net}: no loss layer in the TRAIN phase, so nothing would be trained"
        )
    if run.state is None:
        run.snapshots.forget()
    while run.iteration < recipe.iterations:
        # Caffe does not store the state of its random numbers, so each update has its own
        answer = caffe.ask("step", seed=run.files.seed + run.iteration)
        run.observe(answer)
        done = run.iteration == recipe.iterations
        metric = None
        if job.evaluate is not None and (done or _due(run.iteration, recipe.test_interval)):
            metric = job.evaluate(_weights(run, caffe))
        job.report(Progress(run.iteration, recipe.iterations, run.loss, answer["rate"], metric))
        stop = interrupted()
        if done or stop or _due(run.iteration, recipe.snapshot):
            caffe.ask("snapshot")
            run.snapshots.record(run.iteration, run.loss)
        if stop and not done:
            raise KeyboardInterrupt(f"stopped after {run.iteration} iterations; --resume continues")
    return _weights(run, caffe)


def _due(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0


def _weights(run: _Run, caffe: Caffe) -> Weights:
    """The compact weights as they are now, read as any caffemodel is."""
    origin = run.job.network.origin
    assert isinstance(origin, Origin)
    path = run.files.weights.with_name("current.caffemodel")
    caffe.ask("save", path=str(path))
    network = load(Source(run.files.net, path, origin.source.options))
    path.unlink()
    found = network.weights()
    return {name: np.ascontiguousarray(found[name]) for name in origin.parameters}
