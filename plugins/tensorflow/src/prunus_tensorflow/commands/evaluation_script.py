"""Evaluation scripts of vai_p_tensorflow, run by TensorFlow on written checkpoints.

A script (``--eval_fn_path``) comes in one of three forms:

- ``model_fn()`` builds the evaluation graph and returns a dict of metric ops
  (``name -> (value, update)`` of ``tf.compat.v1.metrics``, or plain tensors to average);
- ``model_fn()`` returns an Estimator, or takes ``(features, labels, mode)`` and returns a
  spec with ``eval_metric_ops``; ``eval_input_fn()`` gives the data;
- ``evaluate(ckpt_path)`` does everything itself and returns a dict or a number.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from prunus.plugin import DataError, PluginError, UsageError
from prunus_tensorflow.error_text import failure
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.user_code import load_module

_FORMS = "model_fn(), model_fn() with eval_input_fn(), or evaluate(ckpt_path)"


@attrs.frozen(eq=False)
class Script:
    """A loaded evaluation script.

    Attributes:
        path: The file.
        form: ``ops``, ``estimator``, ``spec`` or ``checkpoint``.
        module: The module.
        target: Metric to read, ``None`` if there is only one.
        batches: Batches to run at most; ``None`` for all.
    """

    path: Path
    form: str
    module: ModuleType
    target: str | None = None
    batches: int | None = None

    def measure(self, checkpoint: Path) -> float:
        """Value of the metric for the weights in a checkpoint.

        Raises:
            PluginError: the script fails (its own words and line).
            UsageError: it does not give the metric asked for.
        """
        run = {
            "ops": self._by_ops,
            "spec": self._by_spec,
            "estimator": self._by_estimator,
            "checkpoint": lambda path: self.module.evaluate(str(path)),
        }[self.form]
        found = self._guarded(run, checkpoint)
        return self._pick(found)

    def _guarded(self, run: Callable[[Path], Any], checkpoint: Path) -> Any:
        try:
            return run(checkpoint)
        except (PluginError, UsageError, DataError):
            raise
        except Exception as error:
            raise PluginError(failure(error, str(self.path), self.path)) from error

    def _pick(self, found: Any) -> float:
        if not isinstance(found, Mapping):
            return self._number(found, self.target or "its result")
        target = self.target
        if target is None:
            if len(found) != 1:
                raise UsageError(
                    f"{self.path}: it gives {', '.join(map(str, found))}: say which with --target"
                )
            target = next(iter(found))
        if target not in found:
            raise UsageError(
                f"{self.path}: it gives no metric '{target}', only {', '.join(map(str, found))}"
            )
        return self._number(found[target], target)

    def _number(self, value: Any, name: str) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise PluginError(f"{self.path}: {name} is no number but {value!r}") from error
        if not math.isfinite(number):
            raise DataError(f"{self.path}: {name} is {number}: the evaluation saw no usable sample")
        return number

    def _by_ops(self, checkpoint: Path) -> dict[str, float]:
        tf = tensorflow()
        with tf.Graph().as_default():
            return self._run_ops(tf, self.module.model_fn(), checkpoint)

    def _by_spec(self, checkpoint: Path) -> dict[str, float]:
        tf = tensorflow()
        with tf.Graph().as_default():
            data = self.module.eval_input_fn()
            if isinstance(data, tf.data.Dataset):
                data = tf.compat.v1.data.make_one_shot_iterator(data).get_next()
            features, labels = data
            spec = self.module.model_fn(features, labels, "eval")
            ops = getattr(spec, "eval_metric_ops", spec)
            return self._run_ops(tf, ops, checkpoint)

    def _by_estimator(self, checkpoint: Path) -> Any:
        estimator = self.module.model_fn()
        return estimator.evaluate(
            self.module.eval_input_fn, steps=self.batches, checkpoint_path=str(checkpoint)
        )

    def _run_ops(self, tf: Any, ops: Any, checkpoint: Path) -> dict[str, float]:
        if not isinstance(ops, Mapping) or not ops:
            raise UsageError(f"{self.path}: model_fn() must return a dict of metric ops")
        v1 = tf.compat.v1
        pairs = {name: op for name, op in ops.items() if isinstance(op, tuple | list)}
        plain = {name: op for name, op in ops.items() if name not in pairs}
        with v1.Session() as session:
            session.run([v1.local_variables_initializer(), v1.tables_initializer()])
            _restore(tf, session, checkpoint)
            coordinator = tf.train.Coordinator()
            threads = v1.train.start_queue_runners(session, coordinator)
            sums, count = dict.fromkeys(plain, 0.0), 0
            try:
                while self.batches is None or count < self.batches:
                    _, values = session.run([[pair[1] for pair in pairs.values()], plain])
                    count += 1
                    for name, value in values.items():
                        sums[name] += float(value)
            except tf.errors.OutOfRangeError:
                pass
            finally:
                coordinator.request_stop()
                coordinator.join(threads, ignore_live_threads=True)
            if count == 0:
                raise DataError(f"{self.path}: the evaluation data is empty")
            done = session.run({name: pair[0] for name, pair in pairs.items()})
        return {**done, **{name: total / count for name, total in sums.items()}}


def load_script(path: Path, target: str | None = None, batches: int | None = None) -> Script:
    """Import an evaluation script.

    Raises:
        UsageError: the file is missing or has none of the three forms.
        PluginError: importing it fails.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check --eval_fn_path")
    if batches is not None and batches < 1:
        raise UsageError(f"--max_num_batches {batches}: give at least 1")
    module = load_module(str(path))
    return Script(path, _form(path, module), module, target, batches)


def _form(path: Path, module: ModuleType) -> str:
    model = getattr(module, "model_fn", None)
    if callable(getattr(module, "evaluate", None)) and not callable(model):
        return "checkpoint"
    if not callable(model):
        raise UsageError(f"{path}: none of the three forms is in it: {_FORMS}")
    if not callable(getattr(module, "eval_input_fn", None)):
        return "ops"
    needed = [
        parameter
        for parameter in inspect.signature(model).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return "spec" if needed else "estimator"


def _restore(tf: Any, session: Any, checkpoint: Path) -> None:
    v1 = tf.compat.v1
    variables = v1.global_variables()
    stored = tf.train.load_checkpoint(str(checkpoint)).get_variable_to_shape_map()
    for variable in variables:
        name = variable.op.name
        if name not in stored:
            raise PluginError(
                f"{checkpoint}: variable '{name}' of the evaluation graph is not in it: build "
                "the graph with the names it was trained with"
            )
        shape = [int(size) for size in variable.shape]
        if shape != list(stored[name]):
            raise PluginError(
                f"{checkpoint}: variable '{name}' has shape {list(stored[name])}, the evaluation "
                f"graph wants {shape}"
            )
    if variables:
        v1.train.Saver(variables).restore(session, str(checkpoint))
