"""Conformance of trainers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir

from prunus.descriptors import Trainer
from prunus.errors import PrunusError
from prunus.evaluation.session import Session
from prunus.graph.digest import structure_digest, weights_digest
from prunus.host import Host, start
from prunus.testing.check import Check, named_checks
from prunus.testing.checks_plugin import one_line, plugin_checks
from prunus.testing.nets import NETS, as_network
from prunus.testing.trainer_job import Unlabelled, small_job
from prunus.training import Progress, TrainingJob, Weights
from prunus.training.scatter import with_weights

KILLED = 6
"""The update after which a training is stopped: behind its first snapshot."""

MakeJob = Callable[[Path], TrainingJob]


class _StopError(Exception):
    """Stands for anything that ends a training early."""


def trainer_checks(
    name: str,
    job: MakeJob | None = None,
    host: Host | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Everything a trainer promises (`prunus.hookspecs.prunus_finetune`).

    Args:
        name: As given to ``--trainer``.
        job: Makes a fresh job in a workspace, for trainers bound to a format: at
            least 12 iterations, a snapshot every 4; without it a small residual
            network with made-up classes.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> why it fails.
    """
    make = small_job if job is None else job

    def run(workspace: Path, **changes: Any) -> Weights:
        return _run(name, host, attrs.evolve(make(workspace), **changes))

    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(Trainer, name, ("prunus_finetune",), host),
        ("gives-compact-weights", lambda: check_weights(make, run)),
        ("learns", lambda: check_learns(run)),
        ("repeats-with-the-seed", lambda: check_repeats(run)),
        ("reports-every-update", lambda: check_reports(make, run)),
        ("resumes-exactly", lambda: check_resumes(run)),
        ("leaves-its-input-alone", lambda: check_pure(name, host, make)),
        ("distills-without-labels", lambda: check_distills(make, run)),
        ("asks-for-labels", lambda: check_labels(make, run)),
    ]
    return named_checks(name, bodies, expected_failures)


Run = Callable[..., Weights]


def check_weights(make: MakeJob, run: Run) -> None:
    """Known names, the compact graph's shapes, finite numbers, something changed."""
    with tempfile.TemporaryDirectory() as directory:
        job = make(Path(directory))
        weights = run(Path(directory))
    initializers = job.compact.model.graph.initializers
    assert weights, "the trainer gave no weights"
    for name, array in weights.items():
        assert name in initializers, f"the compact graph has no initializer '{name}'"
        before = initializers[name].const_value
        assert before is not None
        assert array.shape == before.numpy().shape, f"{name}: {array.shape}, not {before.shape}"
        assert np.isfinite(array).all(), f"{name}: not finite"
    assert any(
        not np.array_equal(array, initializers[name].const_value.numpy())  # type: ignore[union-attr]
        for name, array in weights.items()
    ), "training changed nothing"


def check_learns(run: Run) -> None:
    """The reported loss falls."""
    lines: list[Progress] = []
    with tempfile.TemporaryDirectory() as directory:
        run(Path(directory), report=lines.append)
    assert lines, "nothing was reported"
    assert lines[-1].loss < lines[0].loss, f"loss {lines[0].loss:.4f} -> {lines[-1].loss:.4f}"


def check_repeats(run: Run) -> None:
    """The same seed ends with the same numbers."""
    results = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as directory:
            results.append(run(Path(directory)))
    _equal(results[0], results[1], "a second run with the same seed")


def check_reports(make: MakeJob, run: Run) -> None:
    """Iterations rise to the last one; losses and learning rates are numbers."""
    lines: list[Progress] = []
    with tempfile.TemporaryDirectory() as directory:
        wanted = make(Path(directory)).recipe.iterations
        run(Path(directory), report=lines.append)
    numbers = [line.iteration for line in lines]
    assert numbers == sorted(set(numbers)), f"iterations do not rise: {numbers}"
    assert numbers[-1] == wanted, f"the last report is of iteration {numbers[-1]}, not {wanted}"
    assert all(line.iterations == wanted for line in lines)
    assert all(np.isfinite(line.loss) and line.learning_rate > 0 for line in lines)


def check_resumes(run: Run) -> None:
    """Stopped after a snapshot and resumed ends with the numbers of a run left alone."""

    def stop(progress: Progress) -> None:
        if progress.iteration >= KILLED:
            raise _StopError

    with tempfile.TemporaryDirectory() as directory:
        whole = run(Path(directory))
    with tempfile.TemporaryDirectory() as directory:
        try:
            run(Path(directory), report=stop)
        except _StopError:
            pass
        else:
            raise AssertionError("the report's exception did not end the training")
        lines: list[Progress] = []
        resumed = run(Path(directory), report=lines.append, resume=True)
    assert lines[0].iteration > 1, "it started again instead of resuming"
    _equal(whole, resumed, "the resumed run")


def check_pure(name: str, host: Host | None, make: MakeJob) -> None:
    """The job's networks are the same afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        job = make(Path(directory))
        networks = (job.network, attrs.evolve(job.network, model=job.compact.model))
        before = [(structure_digest(n), weights_digest(n)) for n in networks]
        _run(name, host, job)
        after = [(structure_digest(n), weights_digest(n)) for n in networks]
    assert before == after, "training modified the network it was given"


def check_distills(make: MakeJob, run: Run) -> None:
    """With a teacher it comes nearer to the teacher's outputs, from samples without labels.

    BatchNorm statistics are held: those of random weights are far from any data, and
    their moving would hide what the updates do.
    """
    with tempfile.TemporaryDirectory() as directory:
        job = make(Path(directory))
        teacher = as_network(NETS["resnet_projection"](0)) if make is small_job else job.network
        weights = run(
            Path(directory),
            teacher=teacher,
            training=Unlabelled(job.training),
            recipe=attrs.evolve(job.recipe, bn_frozen=True),
        )
    inputs = job.training.read(np.arange(min(64, len(job.training))), None).inputs
    wanted = Session(teacher.model).run(inputs)

    def distance(model: ir.Model) -> float:
        found = Session(model).run(inputs)
        return sum(float(np.square(found[n] - wanted[n]).mean()) for n in wanted)

    before = distance(job.compact.model)
    after = distance(with_weights(job.compact, weights).model)
    assert after < before, f"distance to the teacher {before:.4f} -> {after:.4f}"


def check_labels(make: MakeJob, run: Run) -> None:
    """Without a teacher, samples without labels are refused in one line."""
    with tempfile.TemporaryDirectory() as directory:
        job = make(Path(directory))
        try:
            run(Path(directory), training=Unlabelled(job.training))
        except PrunusError as error:
            one_line(error, "label")
        else:
            raise AssertionError("it trains without labels and without a teacher")


def _run(name: str, host: Host | None, job: TrainingJob) -> Weights:
    weights: Weights = (host or start()).call(Trainer, name, "prunus_finetune", job=job)
    return {key: np.array(array) for key, array in weights.items()}


def _equal(first: Weights, second: Weights, what: str) -> None:
    assert set(first) == set(second), f"{what} gives other initializers"
    for name, array in first.items():
        assert np.allclose(array, second[name], rtol=1e-5, atol=1e-7), f"{what} differs at '{name}'"
