"""Training of a low-level graph: a training function in a session on the compact graph.

The function is the user's (``--train-fn``) or one of `graph_losses`; both see the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import numpy as np

from prunus.plugin import (
    Compact,
    PluginError,
    PrunusError,
    Snapshot,
    StaleError,
    TrainingJob,
    TrainingLoop,
    UsageError,
    Weights,
    deferred,
)
from prunus_tensorflow.error_text import failure, first_line
from prunus_tensorflow.graphdef.names import full
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.training.graph_batches import Feed, GraphBatches, feed_of, settings_of
from prunus_tensorflow.training.graph_losses import TrainFunction, cross_entropy, distillation
from prunus_tensorflow.training.graph_session import CompactGraph, opened
from prunus_tensorflow.training.graph_update import Update
from prunus_tensorflow.training.labels import labels_of
from prunus_tensorflow.training.options import TRAIN_FUNCTION, falls, train_function
from prunus_tensorflow.training.samples import Batches, Targets
from prunus_tensorflow.training.stored import snapshot_of, snapshots_of, values_of
from prunus_tensorflow.user_code import Reference


def run(job: TrainingJob, origin: GraphOrigin) -> Weights:
    """Train the compact graph of a job.

    Raises:
        DataError: samples or labels do not fit.
        UsageError: an option cannot be used, training diverged, or the user's function does
            not train the graph it is given.
        PluginError: the user's function failed (its own words and line).
        KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
    """
    own = train_function(job.options)
    if own is not None and job.teacher is not None:
        raise UsageError(f"--{TRAIN_FUNCTION} and --distill are two ways to train: give one")
    with ExitStack() as held, deferred() as interrupted:
        compact = held.enter_context(opened(job, origin))
        settings = settings_of(job, compact, Batches(job, tuple(origin.inputs), labels_of).batch(0))
        teacher = None if job.teacher is None else held.enter_context(_teacher(job, settings))
        function, targets = _function(job, compact, own, teacher)
        batches = Batches(job, tuple(origin.inputs), targets)
        snapshots = snapshots_of(job)

        def save(iteration: int, loss: float) -> None:
            snapshots.save(snapshot_of(iteration, loss, list(compact.values().values())))

        loop = TrainingLoop(job, compact.weights, save, interrupted)
        found = snapshots.newest(job.recipe.iterations) if job.resume else None
        if found is not None:
            loop.iteration, loop.loss = found.iteration, found.loss
        start = loop.iteration
        before = compact.weights()
        stream = GraphBatches(compact, batches, settings)
        _call(function, _Training(job, compact, loop, stream, found), own)
        weights = compact.weights()
        if start < job.recipe.iterations:
            _check(own, loop.iteration > start, before, weights)
        return weights


def _check(own: Reference | None, counted: bool, before: Weights, after: Weights) -> None:
    """Refuse a function that trained something else."""
    if not counted:
        raise UsageError(f"{_named(own)}: it returned without calling step(loss)")
    if all(np.array_equal(before[name], after[name]) for name in after):
        raise UsageError(
            f"{_named(own)}: no weight of the compact graph has changed: train the graph and the "
            "session it is given, not others"
        )


@attrs.define(eq=False)
class _Training:
    """Arguments of a training function.

    Attributes:
        job: What to do.
        compact: The graph.
        loop: Counts updates.
        stream: Samples.
        found: Snapshot to continue from.
        error: What a report or an evaluation raised inside the function.
    """

    job: TrainingJob
    compact: CompactGraph
    loop: TrainingLoop
    stream: GraphBatches
    found: Snapshot | None
    error: Exception | None = None

    def batches(self) -> Iterator[tuple[Feed, Any]]:
        """Feeds and targets; the first one finds every variable set.

        Variables that the function added get their initial values, all others the compact
        network's, whatever initializers the function ran.
        """
        self.restore()
        yield from self.stream.stream(self.loop.iteration, self.job.recipe.iterations)

    def restore(self) -> None:
        """Start, or continue from the snapshot.

        Raises:
            StaleError: the function now makes other variables.
        """
        self.compact.start()
        if self.found is None:
            return
        names, values = list(self.compact.variables()), values_of(self.found)
        if len(names) != len(values):
            raise StaleError(
                f"{self.job.workspace}: the snapshot holds {len(values)} variables, the "
                f"graph has {len(names)}; train without --resume"
            )
        self.compact.assign(dict(zip(names, values, strict=True)))

    def step(self, loss: Any, learning_rate: float | None = None) -> None:
        """Count one update."""
        value = float(loss)
        if self.job.masks:
            self.compact.hold(self.job.masks)
        rate = self.job.recipe.learning_rate.base if learning_rate is None else learning_rate
        try:
            self.loop.advance(value, float(rate))
        except Exception as error:
            self.error = error
            raise


def _function(
    job: TrainingJob, compact: CompactGraph, own: Reference | None, teacher: Targets | None
) -> tuple[TrainFunction, Targets]:
    if own is not None:
        return own.load(), labels_of
    update = Update(compact, job.recipe, decay=falls(job.options))
    if teacher is not None:
        return distillation(compact, update, teacher)
    return cross_entropy(compact, update)


@contextmanager
def _teacher(job: TrainingJob, settings: Feed) -> Iterator[Targets]:
    """The original graph in a session of its own: a batch -> its outputs."""
    original = job.teacher
    assert original is not None
    whole = attrs.evolve(job, network=original, compact=Compact(original.model, {}))
    assert isinstance(original.origin, GraphOrigin)
    with opened(whole, original.origin) as graph:
        ends = [full(name) for name in graph.origin.ends]
        yield lambda batch: graph.session.run(ends, {**settings, **feed_of(graph, batch)})


def _call(function: TrainFunction, training: _Training, own: Reference | None) -> None:
    compact = training.compact
    try:
        with compact.graph.as_default(), compact.session.as_default(), quiet():
            function(compact.session, compact.graph, training.batches(), training.step)
    except PrunusError:
        raise
    except Exception as error:
        if error is training.error:
            raise
        if own is not None:
            raise PluginError(failure(error, _named(own), own.file)) from error
        raise PluginError(
            f"{compact.origin.model}: TensorFlow cannot train the graph: {first_line(error)}"
        ) from error


def _named(own: Reference | None) -> str:
    return "the training" if own is None else f"{own.source}:{own.name}"
