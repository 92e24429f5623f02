"""Trainer ``tensorflow``: Keras' own ``fit`` on the compact model.

What is trained is built from the compact network, so a run that trains the unpruned model
cannot happen: there is no call to forget.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from prunus.errors import ModelError, PluginError, UsageError
from prunus.interrupt import deferred
from prunus.network import Network
from prunus.training import Progress, TrainingJob, Weights
from prunus_tensorflow.keras_.origin import KerasOrigin
from prunus_tensorflow.keras_.read import first_line
from prunus_tensorflow.keras_.rebuild import leaves, model_of
from prunus_tensorflow.keras_.recipe import learning_rate
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.training.objective import (
    default_loss,
    imitation,
    label_targets,
)
from prunus_tensorflow.training.optimizer import optimizer_for
from prunus_tensorflow.training.samples import Batches, Targets
from prunus_tensorflow.training.snapshot import Snapshot, job_digest, newest, save

SMOOTHING = 0.95
"""Share of the past in the reported loss."""


def finetune(job: TrainingJob) -> Weights:
    """Train the compact network of a job with Keras.

    Returns:
        Every weight the network binds, after the last update.

    Raises:
        DataError: samples or labels do not fit.
        UsageError: the network was not read from a Keras model, or training diverged.
        PluginError: Keras failed in the user's own code.
        KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
    """
    origin = job.network.origin
    if not isinstance(origin, KerasOrigin):
        raise UsageError(
            "trainer tensorflow trains Keras models, and this network is a graph without Keras: "
            "use --trainer torch"
        )
    tensorflow()
    import keras

    keras.utils.set_random_seed(job.seed)
    run = _prepare(job, origin)
    if job.resume:
        found = newest(job.workspace, run.digest, job.recipe.iterations)
        if found is not None:
            run.restore(found)
    todo = job.recipe.iterations - run.iteration
    if todo > 0:
        with deferred() as interrupted:
            _fit(run, todo, interrupted)
    return run.weights()


@attrs.define(eq=False)
class _Run:
    """A training under way.

    Attributes:
        job: What to do.
        model: The compact Keras model, compiled.
        batches: Its samples.
        digest: Key of snapshots.
        iteration: Updates done.
        loss: Smoothed loss.
        error: What samples, report or evaluation raised inside Keras' fit.
    """

    job: TrainingJob
    model: Any
    batches: Batches
    digest: str
    iteration: int = 0
    loss: float = math.nan
    error: BaseException | None = None

    def weights(self) -> Weights:
        """Initializer name -> array of the compact shape."""
        origin = self.job.network.origin
        assert isinstance(origin, KerasOrigin)
        names = {id(layer): name for name, layer in origin.layers.items()}
        old = dict(leaves(origin.model))
        values = {
            (names.get(id(old[path]), path), before.name): variable
            for path, layer in leaves(self.model)
            for variable, before in zip(layer.weights, old[path].weights, strict=True)
        }
        return {
            name: np.ascontiguousarray(
                place.to_neutral(
                    np.asarray(values[place.holder.node, place.holder.key].numpy(), np.float32)
                )
            )
            for name, place in origin.places.items()
        }

    def variables(self) -> list[Any]:
        """Everything an update changes."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot."""
        for variable, array in zip(self.variables(), snapshot.arrays, strict=True):
            variable.assign(array)
        self.iteration = snapshot.iteration

    def save(self) -> None:
        """Write a snapshot."""
        arrays = [np.asarray(variable.numpy()) for variable in self.variables()]
        save(self.job.workspace, self.digest, Snapshot(self.iteration, arrays))


def _prepare(job: TrainingJob, origin: KerasOrigin) -> _Run:
    # compiled anew without the user's metrics: they cost time, and those of old .h5 files fail
    model, original = model_of(job.network, job.compact, compiled=False), origin.model
    inputs = [symbol._keras_history.operation.name for symbol in origin.model.inputs]
    optimizer = optimizer_for(original, job.recipe, _stated_rate(job.network))
    targets: Targets
    if job.teacher is not None:
        teacher = model_of(job.teacher, compiled=False)
        loss, targets = imitation(model, teacher, inputs)
        model.compile(optimizer=optimizer, loss=loss)
    elif getattr(original, "compiled", False) and original.loss is not None:
        weights = original.get_compile_config().get("loss_weights")
        model.compile(optimizer=optimizer, loss=original.loss, loss_weights=weights)
        targets = label_targets(model)
    else:
        model.compile(optimizer=optimizer, loss=default_loss(model))
        targets = label_targets(model)
    optimizer.build(model.trainable_variables)
    return _Run(job, model, Batches(job, inputs, targets), job_digest(job))


def _stated_rate(network: Network) -> float | None:
    recipe = network.task.recipe
    return None if recipe is None else recipe.learning_rate.base


def _fit(run: _Run, todo: int, interrupted: Callable[[], bool]) -> None:
    import keras

    recipe = run.job.recipe

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        """Reports, evaluates, saves and stops between updates."""

        def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            self.model.reset_metrics()  # the loss of this batch, not of the epoch so far

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            if (batch + 1) % recipe.accumulate:
                return
            try:
                _after_update(run, float((logs or {}).get("loss", math.nan)), interrupted())
            except BaseException as error:
                run.error = error
                raise

    start = run.iteration * recipe.accumulate

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
                steps_per_epoch=todo * recipe.accumulate,
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


def _after_update(run: _Run, loss: float, stop: bool) -> None:
    job, recipe = run.job, run.job.recipe
    run.iteration += 1
    if not math.isfinite(loss):
        raise UsageError(
            f"training diverged at iteration {run.iteration}: the loss is {loss}; lower the "
            f"learning rate (now {recipe.learning_rate.base:g}, --learning-rate)"
        )
    run.loss = loss if math.isnan(run.loss) else SMOOTHING * run.loss + (1 - SMOOTHING) * loss
    done = run.iteration == recipe.iterations
    metric = None
    if job.evaluate is not None and (done or _due(run.iteration, recipe.test_interval)):
        metric = job.evaluate(run.weights())
    rate = learning_rate(run.model.optimizer)
    job.report(Progress(run.iteration, recipe.iterations, run.loss, rate or 0.0, metric))
    if done or stop or _due(run.iteration, recipe.snapshot):
        run.save()
    if stop and not done:
        raise KeyboardInterrupt(f"stopped after {run.iteration} iterations; --resume continues")


def _due(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0
