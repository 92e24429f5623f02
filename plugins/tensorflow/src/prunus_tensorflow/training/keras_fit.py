"""Keras' own ``fit`` on the compact model."""

from __future__ import annotations

import gc
import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from prunus.plugin import (
    ModelError,
    Network,
    PluginError,
    Snapshot,
    TrainingJob,
    TrainingLoop,
    UsageError,
    Weights,
    deferred,
)
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.rebuild import model_of
from prunus_tensorflow.keras_model.recipe import learning_rate
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.training.held import (
    hold_opaque,
    hold_statistics,
    hold_weights,
    variables_of,
)
from prunus_tensorflow.training.objective import (
    default_loss,
    distillation,
    label_targets,
)
from prunus_tensorflow.training.optimizer import optimizer_for
from prunus_tensorflow.training.options import (
    TRAIN_FUNCTION,
    falls,
    holds_statistics,
    train_function,
)
from prunus_tensorflow.training.samples import Batches, Targets
from prunus_tensorflow.training.stored import snapshot_of, snapshots_of, values_of


def fit(job: TrainingJob, origin: KerasOrigin) -> Weights:
    """Train the compact model of a job.

    Raises:
        DataError: samples or labels do not fit.
        UsageError: the options are no use here, or training diverged.
        PluginError: Keras failed in the user's own code.
        KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
    """
    tensorflow()
    import keras

    keras.utils.set_random_seed(job.seed)
    run = _prepare(job, origin)
    snapshots = snapshots_of(job)

    def save(iteration: int, loss: float) -> None:
        snapshots.save(run.snapshot(iteration, loss))

    with deferred() as interrupted:
        loop = TrainingLoop(job, run.weights, save, interrupted)
        found = snapshots.newest(job.recipe.iterations) if job.resume else None
        if found is not None:
            run.restore(found)
            loop.iteration, loop.loss = found.iteration, found.loss
        if loop.iteration < job.recipe.iterations:
            _fit(run, loop)
    return run.weights()


@attrs.define(eq=False)
class _Run:
    """Model and samples of a training.

    Attributes:
        job: What to do.
        origin: The original model.
        model: The compact Keras model, compiled.
        batches: Its samples.
        error: What samples, report or evaluation raised inside Keras' fit.
    """

    job: TrainingJob
    origin: KerasOrigin
    model: Any
    batches: Batches
    error: BaseException | None = None

    def weights(self) -> Weights:
        """Initializer name -> array of the compact shape."""
        values = variables_of(self.model, self.origin)
        return {
            name: np.ascontiguousarray(
                position.to_neutral(
                    np.asarray(
                        values[position.holder.node, position.holder.key].numpy(), np.float32
                    )
                )
            )
            for name, position in self.origin.positions.items()
        }

    def variables(self) -> list[Any]:
        """Everything an update changes."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot."""
        for variable, array in zip(self.variables(), values_of(snapshot), strict=True):
            variable.assign(array)

    def snapshot(self, iteration: int, loss: float) -> Snapshot:
        """The state after so many updates."""
        return snapshot_of(iteration, loss, [variable.numpy() for variable in self.variables()])


def _prepare(job: TrainingJob, origin: KerasOrigin) -> _Run:
    if train_function(job.options) is not None:
        raise UsageError(
            f"--{TRAIN_FUNCTION} trains low-level graphs; a Keras model has its compiled loss and "
            "optimizer"
        )
    # compiled anew without the user's metrics: they cost time, and those of old .h5 files fail
    model, original = model_of(job.network, job.compact, compiled=False), origin.model
    hold_opaque(model, origin)
    hold_weights(model, origin, job.masks)
    if job.recipe.bn_frozen or holds_statistics(job.options):
        hold_statistics(model)
    inputs = [symbol._keras_history.operation.name for symbol in origin.model.inputs]
    stated = _stated_rate(job.network)
    optimizer = optimizer_for(original, job.recipe, stated, decay=falls(job.options))
    targets: Targets
    if job.teacher is not None:
        teacher = model_of(job.teacher, compiled=False)
        loss, targets = distillation(model, teacher, inputs)
        model.compile(optimizer=optimizer, loss=loss)
    elif getattr(original, "compiled", False) and original.loss is not None:
        weights = original.get_compile_config().get("loss_weights")
        model.compile(optimizer=optimizer, loss=original.loss, loss_weights=weights)
        targets = label_targets(model)
    else:
        model.compile(optimizer=optimizer, loss=default_loss(model))
        targets = label_targets(model)
    optimizer.build(model.trainable_variables)
    return _Run(job, origin, model, Batches(job, inputs, targets))


def _stated_rate(network: Network) -> float | None:
    recipe = network.task.recipe
    return None if recipe is None else recipe.learning_rate.base


def _fit(run: _Run, loop: TrainingLoop) -> None:
    import keras

    recipe = run.job.recipe

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        """Reports, evaluates, saves and stops between updates."""

        def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            self.model.reset_metrics()  # the loss of this batch, not of the epoch so far

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            if (batch + 1) % recipe.accumulate:
                return
            rate = learning_rate(run.model.optimizer)
            loss = float((logs or {}).get("loss", math.nan))
            try:
                loop.advance(loss, recipe.learning_rate.base if rate is None else rate)
            except BaseException as error:
                run.error = error
                raise

    start = loop.iteration * recipe.accumulate

    def guarded() -> Any:
        try:
            yield from run.batches.stream(start)
        except Exception as error:
            run.error = error
            raise

    try:
        with quiet():
            run.model.fit(
                guarded(),
                steps_per_epoch=(recipe.iterations - loop.iteration) * recipe.accumulate,
                epochs=1,
                shuffle=False,
                verbose=0,
                callbacks=[Watch()],
            )
    except Exception as error:
        if run.error is not None:
            raise run.error from None  # Keras wraps it in words of its own
        kind = ModelError if isinstance(error, ValueError) else PluginError
        raise kind(f"Keras cannot train model '{run.model.name}': {first_line(error)}") from error
    finally:
        gc.collect()  # TensorFlow's data thread must not outlive the interpreter
    if run.error is not None:
        raise run.error
