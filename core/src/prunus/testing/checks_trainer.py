"""Conformance of trainers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.compaction import identity
from prunus.descriptors import Trainer
from prunus.errors import PluginCrashError, PrunusError
from prunus.evaluation.session import Session
from prunus.granularity import granularity_of
from prunus.graph.digest import structure_digest, weights_digest
from prunus.grouping.weights import find_weights
from prunus.host import Host, start
from prunus.masking import mask, weight_masks
from prunus.network import Network
from prunus.task import Array
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import one_line, plugin_checks
from prunus.testing.trainer_job import Unlabelled, small_job
from prunus.training import Progress, Splicing, TrainingJob, Weights
from prunus.training.scatter import with_weights

KILLED = 6
"""The update after which a training is stopped: behind its first snapshot."""

MakeJob = Callable[[Path], TrainingJob]


class _StopError(PrunusError):
    """Stands for anything that ends a training early and is no defect of the trainer."""


def trainer_checks(
    name: str,
    job: MakeJob | None = None,
    host: Host | None = None,
    expected_failures: ExpectedFailures | None = None,
) -> list[Check]:
    """Everything a trainer promises (`prunus_finetune`).

    Args:
        name: As given to ``--trainer``.
        job: Makes a fresh job in a workspace, for trainers bound to a format: at
            least 12 iterations, a snapshot every 4; without it a small residual
            network with made-up classes.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
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
    descriptor = next((t for t in (host or start()).all(Trainer) if t.name == name), None)
    if descriptor is not None and descriptor.holds_weights:
        bodies.append(("holds-masks-of-weights", lambda: check_holds(make, run)))
    if descriptor is not None and descriptor.regrows_weights:
        bodies.append(("regrows-masked-weights", lambda: check_regrows(make, run)))
    if descriptor is not None and descriptor.shares_weights:
        bodies.append(("keeps-shared-weights-equal", lambda: check_shared(make, run)))
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
    """It comes nearer to its teacher's outputs, from samples without labels, whoever that is.

    Each of two teachers has weights of its own, so that training towards anything else is found.
    BatchNorm statistics are held: those of random weights are far from any data, and
    their moving would hide what the updates do.
    """
    trained = []
    for seed in range(2):
        with tempfile.TemporaryDirectory() as directory:
            job = make(Path(directory))
            teacher = _teacher(job.network, seed)
            rate = job.recipe.learning_rate
            small_steps = attrs.evolve(rate, base=rate.base / 10)  # the teacher is far away
            weights = run(
                Path(directory),
                teacher=teacher,
                training=Unlabelled(job.training),
                recipe=attrs.evolve(job.recipe, bn_frozen=True, learning_rate=small_steps),
            )
        inputs = job.training.read(np.arange(min(64, len(job.training))), None).inputs
        wanted = Session(teacher.model).run(inputs)
        before = _distance(job.compact.model, inputs, wanted)
        after = _distance(with_weights(job.compact, weights).model, inputs, wanted)
        assert after < before, f"distance to the teacher {before:.4f} -> {after:.4f}"
        trained.append(weights)
    first, second = trained
    same = all(np.array_equal(array, second[name]) for name, array in first.items())
    assert not same, "two teachers give the same weights: the teacher is ignored"


def _teacher(network: Network, seed: int) -> Network:
    """The same network with weights of its own: each tensor's numbers in another order."""
    draw = np.random.default_rng(seed)
    changed = {
        name: draw.permutation(array.reshape(-1)).reshape(array.shape)
        for name, array in network.weights().items()
        if name in network.bindings and network.bindings[name].role == "weight"
    }
    return network.with_weights(changed)


def _distance(model: ir.Model, inputs: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    """Mean squared difference of a graph's outputs."""
    found = Session(model).run(inputs)
    return sum(float(np.square(found[n] - wanted[n]).mean()) for n in wanted)


def check_holds(make: MakeJob, run: Run) -> None:
    """Masked single weights are exactly zero after the training, others learned, and resume too."""

    def stop(progress: Progress) -> None:
        if progress.iteration >= KILLED:
            raise _StopError

    with tempfile.TemporaryDirectory() as directory:
        changes = _masked(make(Path(directory)))
        weights = run(Path(directory), **changes)
        _check_masks(weights, changes["masks"], changes["network"])
    with tempfile.TemporaryDirectory() as directory:
        changes = _masked(make(Path(directory)))
        with suppress(_StopError):
            run(Path(directory), report=stop, **changes)
        resumed = run(Path(directory), resume=True, **changes)
        _check_masks(resumed, changes["masks"], changes["network"])
    _equal(weights, resumed, "the resumed run with masks")


def check_regrows(make: MakeJob, run: Run) -> None:
    """Masks chosen anew decide which weights are zero at the end."""
    with tempfile.TemporaryDirectory() as directory:
        changes = _masked(make(Path(directory)))
        swapped = {name: ~mask for name, mask in changes["masks"].items()}
        splicing = Splicing(5, lambda weights: swapped)
        weights = run(Path(directory), splicing=splicing, **changes)
    _check_masks(weights, swapped, changes["network"])


def _masked(job: TrainingJob) -> dict[str, Any]:
    """Every second weight masked, the network whole otherwise."""
    found = find_weights(job.network, granularity_of("weight"))
    draw = np.random.default_rng(0)
    keep = {group.name: draw.random(group.size) < 0.5 for group in found.groups}
    network = mask(job.network, found, keep)
    masks = weight_masks(job.network, found, keep)
    return {"network": network, "compact": identity(network), "masks": masks}


def _check_masks(
    weights: Weights, masks: Mapping[str, NDArray[np.bool_]], network: Network
) -> None:
    before = network.weights()
    assert masks, "the network has no weights to mask"
    for name, kept in masks.items():
        assert name in weights, f"the trainer gave no weights '{name}'"
        loose = int(np.count_nonzero(weights[name][~kept]))
        assert loose == 0, f"{loose} masked weights of '{name}' are not zero"
    changed = [name for name in masks if not np.array_equal(weights[name], before[name])]
    assert changed, "no weight of the masked network learned"


def check_shared(make: MakeJob, run: Run) -> None:
    """Weights of one value stay equal and learn, zeros stay zeros."""
    with tempfile.TemporaryDirectory() as directory:
        job = make(Path(directory))
        numbers = {
            name: (np.arange(array.size) % 5 - 1).astype(np.int16).reshape(array.shape)
            for name, array in job.network.weights().items()
            if job.network.bindings[name].role == "weight"
        }
        values = np.array([-0.2, -0.1, 0.1, 0.2, 0], np.float32)
        network = job.network.with_weights({name: values[one] for name, one in numbers.items()})
        changes = {"network": network, "compact": identity(network), "shared": numbers}
        weights = run(Path(directory), **changes)
    learned = False
    for name, one in numbers.items():
        assert name in weights, f"the trainer gave no weights '{name}'"
        found = np.asarray(weights[name])
        assert not found[one < 0].any(), f"zeros of '{name}' are not zero any more"
        for number in range(4):
            equal = found[one == number]
            spread = float(np.ptp(equal)) if equal.size else 0.0
            assert spread <= 1e-5, f"weights of one value of '{name}' differ by {spread:.1e}"
        learned |= not np.array_equal(found, values[one])
    assert learned, "no shared value learned"


def check_labels(make: MakeJob, run: Run) -> None:
    """Without a teacher, samples without labels are refused in one line."""
    with tempfile.TemporaryDirectory() as directory:
        job = make(Path(directory))
        try:
            run(Path(directory), training=Unlabelled(job.training))
        except PluginCrashError:
            raise
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
