"""Samples from a user's Python function: ``file.py:function`` or ``module:function``.

The function takes nothing or ``training`` and returns arrays ``(x, y)`` or ``x``, a
dictionary of inputs instead of ``x``, or a ``tf.data.Dataset`` of such pairs, batched or
not. A data set of TensorFlow is read once and held in memory: prunus addresses samples by
position so that any order can be resumed exactly.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

import prunus.plugin as core
from prunus.plugin import Batch, DataError, Dataset, Network, PluginError, PrunusError
from prunus_tensorflow.error_text import failure
from prunus_tensorflow.preprocessing import network_inputs
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.user_code import Reference, reference


@attrs.frozen(eq=False)
class Arrays:
    """Samples held in memory.

    Attributes:
        inputs: Graph input -> ``(N, ...)`` in the graph's layout, any number type.
        labels: ``(N, ...)``, or ``None``.
    """

    inputs: Mapping[str, NDArray[Any]]
    labels: NDArray[Any] | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Samples as float32; augmentation belongs into the model or the function."""
        labels = None if self.labels is None else self.labels[positions]
        return Batch(
            {name: array[positions].astype(np.float32) for name, array in self.inputs.items()},
            labels,
        )

    def digest(self) -> str:
        """Digest of everything."""
        digest = hashlib.sha256()
        for name, array in [*self.inputs.items(), ("", self.labels)]:
            if array is not None:
                digest.update(f"{name}{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def open_data(specification: str, network: Network, training: bool) -> Dataset | None:
    """Samples of the inputs that the files state, whatever opaque layers make of them.

    A user's function is called; what core forms of data hold is read by the core.

    Returns:
        ``None`` where the core alone serves: another form, and no opaque layer.

    Raises:
        DataError: no such file or function, or what it gives does not fit the network.
        PluginError: it fails (its own words and line).
    """
    inputs = network_inputs(network)
    form = reference(specification)
    if form is not None and not (Path(specification).exists() and form.file is None):
        return inputs.around(_called(form, specification, training, inputs.shapes))
    if not inputs.opaque:
        return None
    return inputs.around(core.open_data(specification, network, inputs.values()))


def _called(
    form: Reference, specification: str, training: bool, shapes: Mapping[str, tuple[int, ...]]
) -> Arrays:
    function = form.load()
    try:
        takes = "training" in inspect.signature(function).parameters
        found = function(training=training) if takes else function()
    except PrunusError:
        raise
    except Exception as error:
        raise PluginError(failure(error, specification, form.file)) from error
    samples, labels = _pair(_materialised(found, specification), specification)
    return _checked(samples, labels, shapes, specification)


def _materialised(found: Any, where: str) -> Any:
    """A ``tf.data.Dataset`` as arrays; everything else as it is."""
    if not hasattr(found, "as_numpy_iterator"):
        return found
    tf = tensorflow()
    if int(found.cardinality()) == int(tf.data.INFINITE_CARDINALITY):
        raise DataError(f"{where}: the data set repeats for ever; return one pass over it")
    parts = list(found.as_numpy_iterator())
    if not parts:
        raise DataError(f"{where}: no samples")
    leading = tf.nest.flatten(found.element_spec)[0].shape
    batched = leading.rank is not None and leading.rank > 0 and _is_batched(found, tf)
    join = np.concatenate if batched else np.stack
    return tf.nest.map_structure(lambda *arrays: join(arrays), *parts)


def _is_batched(found: Any, tf: Any) -> bool:
    """A data set made by ``batch`` has elements whose first sizes agree and say nothing fixed."""
    current = found
    while current is not None:
        if "Batch" in type(current).__name__:
            return True
        inputs: Sequence[Any] = current._inputs() if hasattr(current, "_inputs") else ()
        current = inputs[0] if inputs else None
    sizes = [
        spec.shape[0] if spec.shape.rank else -1 for spec in tf.nest.flatten(found.element_spec)
    ]
    return all(size is None for size in sizes)


def _pair(found: Any, where: str) -> tuple[Any, Any]:
    if isinstance(found, tuple | list) and len(found) in (2, 3):
        return found[0], found[1]
    if isinstance(found, tuple | list) and len(found) == 1:
        return found[0], None
    if isinstance(found, tuple | list) or found is None:
        raise DataError(f"{where}: must return x, (x, y) or a tf.data.Dataset of them")
    return found, None


def _checked(
    samples: Any, labels: Any, wanted: Mapping[str, tuple[int, ...]], where: str
) -> Arrays:
    if not isinstance(samples, Mapping):
        if len(wanted) != 1:
            names = ", ".join(wanted)
            raise DataError(f"{where}: the network has inputs {names}: return a dictionary of them")
        samples = {next(iter(wanted)): samples}
    arrays = {name: np.asarray(array) for name, array in samples.items()}
    for name, shape in wanted.items():
        if name not in arrays:
            raise DataError(f"{where}: no samples for input '{name}'")
        array = arrays[name]
        if array.ndim == len(shape) and shape[-1:] == (1,):
            array = arrays[name] = array[..., None]
        if array.shape[1:] != shape:
            raise DataError(
                f"{where}: samples of shape {array.shape[1:]} do not fit input '{name}' of "
                f"shape {shape}"
            )
        if not len(array):
            raise DataError(f"{where}: no samples")
    classes = None if labels is None else _classes(np.asarray(labels))
    count = len(next(iter(arrays.values())))
    if any(len(array) != count for array in arrays.values()) or (
        classes is not None and len(classes) != count
    ):
        raise DataError(f"{where}: inputs and labels differ in number")
    return Arrays({name: arrays[name] for name in wanted}, classes)


def _classes(labels: NDArray[Any]) -> NDArray[Any]:
    """Class numbers, from one-hot rows too; other targets stay as they are."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and (labels.max(1) == 1).all() and (labels.sum(1) == 1).all():
        labels = np.asarray(labels.argmax(1))
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels
