"""Trainer ``darknet``: the user's own program trains the compact network.

Format facts: ``train_detector`` (``examples/detector.c``) and ``train_classifier``
(``examples/classifier.c``): training goes on from ``seen`` of the weights file, ``-clear`` sets
it to 0; a missing file ends the program with exit code 0, so only its last weights tell success.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from prunus.plugin import (
    Network,
    PluginError,
    Progress,
    Source,
    TrainingJob,
    UsageError,
    Weights,
    check_loss,
    deferred,
)
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.data import ListedImages
from prunus_darknet.dialect import PJREDDIE
from prunus_darknet.origin import Origin
from prunus_darknet.read import load
from prunus_darknet.recipe import losses_of
from prunus_darknet.training.files import TrainFiles, files_of
from prunus_darknet.training.program import Line, Program, find_program, parse_line, running

TRAINED = frozenset({"yolo", "region"})
"""Box layers of ``detector train``; paths of ``yolo train`` for [detection] are compiled in."""


def finetune(job: TrainingJob) -> Weights:
    """Train the compact network of a job with the program ``darknet``.

    Returns:
        Every weight the compact network binds, after the last update.

    Raises:
        DataError: the samples are no Darknet data set.
        UsageError: the program cannot train this network so, or training diverged.
        PluginError: there is no such program, or it failed.
        StaleError: the backups to resume belong to another job.
        KeyboardInterrupt: Ctrl-C; the program's newest backup is kept.
    """
    _check(job)
    program = find_program(job.options)
    files = files_of(job)
    newest = files.newest(job.recipe.iterations) if job.resume else None
    if newest is None or files.done(newest) < job.recipe.iterations:
        with deferred() as interrupted:
            _train(job, files, [program, *_arguments(files, newest)], interrupted)
        newest = files.final
    return _weights(job, files, newest)


def _check(job: TrainingJob) -> None:
    origin = job.network.origin
    if not isinstance(origin, Origin):
        raise UsageError(
            "trainer darknet trains Darknet networks, and this network is none: use --trainer torch"
        )
    if job.teacher is not None:
        raise UsageError(
            "trainer darknet cannot distill, its program knows its own losses only: "
            "use --trainer torch"
        )
    if not origin.dialect.is_pjreddie:
        raise UsageError(
            f"{origin.cfg.path}: trainer darknet drives pjreddie's program, this network is of "
            f"another fork ({origin.dialect.normalization}: {origin.dialect.reason}): "
            "use --trainer torch"
        )
    kinds = {head.kind for head in heads_of(job.network)}
    if not kinds <= TRAINED or not losses_of(job.network):
        raise UsageError(
            f"{origin.cfg.path}: trainer darknet trains networks that end in [yolo], [region] or "
            "[softmax]: use --trainer torch"
        )


def _arguments(files: TrainFiles, begin: Path | None) -> list[str]:
    start = [str(files.start), "-clear"] if begin is None else [str(begin)]
    return [files.kind, "train", str(files.data), str(files.cfg), *start]


def _train(
    job: TrainingJob, files: TrainFiles, command: list[str], interrupted: Callable[[], bool]
) -> None:
    """Run the program to its end, or until something stops it."""
    with running(command, _folder(job)) as program:
        for text in program.lines():
            line = None if text is None else parse_line(text)
            if line is not None:
                _report(job, line)
            if interrupted():
                raise KeyboardInterrupt(_stopped(job, files))
        if files.done(files.final) != job.recipe.iterations:
            raise _failed(program, command[0])


def _folder(job: TrainingJob) -> Path:
    """Where the paths of the list lead to images, as they are written."""
    assert isinstance(job.training, ListedImages)
    first = job.training.entries[0].text
    return Path() if os.path.exists(first) else job.training.description.path.parent


def _report(job: TrainingJob, line: Line) -> None:
    check_loss(line.loss, line.iteration, job.recipe.learning_rate.base)
    job.report(Progress(line.iteration, job.recipe.iterations, line.average, line.rate))


def _stopped(job: TrainingJob, files: TrainFiles) -> str:
    newest = files.newest(job.recipe.iterations)
    if newest is None:
        return "stopped before Darknet's first backup; nothing was saved"
    return (
        f"stopped; Darknet's backup of {files.done(newest)} iterations is kept; --resume continues"
    )


def _failed(program: Program, name: str) -> PluginError:
    return PluginError(
        f"{name} ended without trained weights ({program.how()}); it said last: "
        f"{program.said or 'nothing'}"
    )


def _weights(job: TrainingJob, files: TrainFiles, written: Path) -> Weights:
    """Initializer name -> array of the compact shape, as the program wrote it."""
    trained: Network = load(Source(files.cfg, written, {"normalization": PJREDDIE}))
    wanted = job.compact.model.graph.initializers
    return {
        name: np.array(array)
        for name, array in trained.weights().items()
        if name in job.network.bindings and name in wanted
    }
