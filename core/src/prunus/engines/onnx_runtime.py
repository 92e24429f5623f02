"""Built-in engine ``onnxruntime``: it has a profile of its steps, and quantises."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prunus.descriptors import Descriptor, Engine
from prunus.engines.running import Running, Sample
from prunus.hookspecs import hookimpl
from prunus.network import Network, Written

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir
    from numpy.typing import NDArray

ENGINE = "onnxruntime"

_SECONDS, _FEWEST, _MOST = 1.0, 5, 200
"""Time for the profile of one graph, and runs at least and at most."""

_KERNEL = "_kernel_time"

_LAYOUT = "_nchwc"
"""End of the names of steps in the engine's own memory layout."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One engine."""
    text = "ONNX Runtime on the processor"
    return (Engine(ENGINE, text, lambda: version("onnxruntime"), quantizes=True),)


@hookimpl
def prunus_convert(engine: str, network: Network, files: Written, directory: Path) -> Written:
    """It reads ONNX files as they are."""
    return files


@hookimpl
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running:
    """A session; its profile is of another one, as profiling takes time."""
    import onnx_ir as ir

    from prunus.evaluation.session import Session

    model = ir.load(files.model)
    return Running(Session(model, threads=threads).run, steps=lambda s: _steps(model, s, threads))


@hookimpl
def prunus_quantize(
    engine: str,
    network: Network,
    files: Written,
    samples: Mapping[str, NDArray[np.float32]],
    directory: Path,
) -> Written:
    """Static quantisation, one scale a channel, as pairs of QuantizeLinear and DequantizeLinear."""
    from prunus.engines.onnx_runtime_int8 import quantized

    return quantized(files, samples, directory)


def _steps(model: ir.Model, sample: Sample, threads: int) -> Mapping[str, float]:
    """The least time of each step, which other programs disturb least."""
    from prunus.evaluation.session import Session

    with TemporaryDirectory(prefix="prunus-profile-") as directory:
        session = Session(model, profile=Path(directory) / "profile", threads=threads)
        runs, end = 0, time.perf_counter() + _SECONDS
        while runs < _FEWEST or (time.perf_counter() < end and runs < _MOST):
            session.run(sample)
            runs += 1
        return _least(model, json.loads(session.profiled().read_text(encoding="utf-8")))


def _least(model: ir.Model, events: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Value -> least time of the step that makes it."""
    values = {node.name or "": node.outputs[0].name or "" for node in model.graph}
    values |= {v.name: v.name for node in model.graph for v in node.outputs if v.name}
    steps: dict[str, list[float]] = defaultdict(list)
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_KERNEL):
            steps[name.removesuffix(_KERNEL)].append(float(str(event["dur"])))
    found: dict[str, float] = defaultdict(float)
    for name, times in steps.items():
        value = values.get(name) or values.get(name.removesuffix(_LAYOUT)) or ""
        found[value] += min(times) / 1e3
    return dict(found)
