"""A user's own metric: ``module:function`` that receives a predictor and returns a number."""

from __future__ import annotations

import hashlib
import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import UsageError
from prunus.evaluation.session import Session
from prunus.graph.inputs import sample_inputs
from prunus.task import Array, Batch, Measurement

Predictor = Callable[[Any], Any]


@attrs.frozen
class UserMetric:
    """Calls the user's function; an attribute ``lower_is_better = True`` of it turns the direction.

    Attributes:
        name: ``module:function``.
        function: Called with a predictor: one array, or a dict of arrays by graph input name, gives
            one array, or a dict by graph output name where the network has several outputs.
    """

    name: str
    function: Callable[[Predictor], float]
    needs_labels: bool = False

    @property
    def higher_is_better(self) -> bool:
        """True unless the function says otherwise."""
        return not getattr(self.function, "lower_is_better", False)

    def digest(self) -> str:
        """Digest of the module's source: an edited metric is another one."""
        file = getattr(sys.modules.get(self.function.__module__), "__file__", None)
        source = Path(file).read_bytes() if file else repr(self.function).encode()
        return hashlib.sha256(source).hexdigest()[:16]

    def measure(self, model: ir.Model) -> Measurement:
        """Value of one graph.

        Raises:
            UsageError: the function failed or gave no number.
        """
        try:
            value = float(self.function(predictor(model)))
        except (Exception, SystemExit) as error:
            raise UsageError(
                f"metric {self.name} failed: {type(error).__name__}: {error}"
            ) from error
        if not math.isfinite(value):
            raise UsageError(f"metric {self.name} gave {value}; it must return a finite number")
        return Measurement(value)

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """A user's metric sees networks, not batches."""
        raise UsageError(f"metric {self.name} cannot be gathered batch by batch")

    def result(self, observations: Sequence[Any]) -> Measurement:
        """As `observe`."""
        raise UsageError(f"metric {self.name} cannot be gathered batch by batch")


def predictor(model: ir.Model) -> Predictor:
    """A function from inputs to outputs of a graph."""
    session = Session(model)
    inputs = [value.name or "" for value in sample_inputs(model)]

    def predict(samples: Any) -> Any:
        feed = samples if isinstance(samples, dict) else {inputs[0]: samples}
        found = session.run({name: np.asarray(array, np.float32) for name, array in feed.items()})
        return found if len(found) > 1 else next(iter(found.values()))

    return predict


def user_metric(name: str) -> UserMetric:
    """Import ``module:function``; the working directory is looked at first.

    Raises:
        UsageError: no such module or function.
    """
    module_name, _, function_name = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"--metric {name}: cannot import '{module_name}' ({type(error).__name__}: {error})"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(
            f"--metric {name}: module '{module_name}' has no function '{function_name}'"
        )
    return UserMetric(name, function)


@attrs.frozen(eq=False)
class FedSamples:
    """The inputs a user's metric feeds to the network, to calibrate with.

    Attributes:
        inputs: Graph input name -> ``(N, ...)``.
    """

    inputs: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values()), ()))

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Samples without labels."""
        return Batch({name: array[positions] for name, array in self.inputs.items()})

    def digest(self) -> str:
        """Digest of all inputs."""
        digest = hashlib.sha256()
        for name, array in sorted(self.inputs.items()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()[:16]


def fed_samples(metric: UserMetric, model: ir.Model, count: int = 256) -> FedSamples:
    """Run the metric once and keep up to ``count`` of the samples it feeds.

    Raises:
        UsageError: the metric never calls its predictor.
    """
    seen: dict[str, list[Array]] = {}
    predict = predictor(model)
    inputs = [value.name or "" for value in sample_inputs(model)]

    def recording(samples: Any) -> Any:
        feed = samples if isinstance(samples, dict) else {inputs[0]: samples}
        for name, array in feed.items():
            if sum(map(len, seen.get(name, []))) < count:
                seen.setdefault(name, []).append(np.asarray(array, np.float32))
        return predict(samples)

    attrs.evolve(metric, function=lambda _: metric.function(recording)).measure(model)
    if not seen:
        raise UsageError(f"metric {metric.name} never calls the predictor it is given")
    return FedSamples({name: np.concatenate(parts)[:count] for name, parts in seen.items()})
