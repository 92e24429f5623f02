"""ONNX Runtime as an engine to plan for: layer times from its own profile."""

from __future__ import annotations

import json
import os
import platform
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from prunus.evaluation.session import Session, random_inputs

_SECONDS = 1.0
"""Time for one graph, at least `_FEWEST` runs."""

_FEWEST = 5

_MOST = 200

_KERNEL = "_kernel_time"

_LAYOUT = "_nchwc"
"""End of the names of steps in the engine's own memory layout."""


class OnnxRuntime:
    """The engine behind every number of the core, on the processor."""

    name = "onnxruntime"

    @property
    def identity(self) -> str:
        """Version, threads and processor."""
        return f"{self.name} {ort.__version__}, {os.cpu_count()} threads, {_processor()}"

    def layer_times(self, models: Sequence[ir.Model]) -> list[Mapping[str, float]]:
        """Times of the engine's steps: each the least seen, which other programs disturb least."""
        return [_profiled(model) for model in models]

    def latencies(self, models: Sequence[ir.Model]) -> list[float]:
        """Medians of runs that take turns, after one that warms up."""
        sessions = [Session(model) for model in models]
        inputs = [random_inputs(model, 1, 0) for model in models]
        for session, sample in zip(sessions, inputs, strict=True):
            session.run(sample)
        seen: list[list[float]] = []
        end = time.perf_counter() + _SECONDS * len(models)
        while len(seen) < _FEWEST or (time.perf_counter() < end and len(seen) < _MOST):
            turn = []
            for session, sample in zip(sessions, inputs, strict=True):
                start = time.perf_counter()
                session.run(sample)
                turn.append(time.perf_counter() - start)
            seen.append(turn)
        return [float(ms) for ms in np.median(seen, axis=0) * 1e3]


def _profiled(model: ir.Model) -> Mapping[str, float]:
    with TemporaryDirectory(prefix="prunus-profile-") as directory:
        session = Session(model, profile=Path(directory) / "profile")
        sample = random_inputs(model, 1, 0)
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


def _processor() -> str:
    """The processor's name where the system tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # Linux alone has this file, and a container may hide it
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
