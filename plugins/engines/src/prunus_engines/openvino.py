"""Engine ``openvino``: OpenVINO on the processor, in float32; int8 by NNCF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import (
    Descriptor,
    Engine,
    ModelError,
    Network,
    Running,
    Sample,
    Written,
    hookimpl,
)
from prunus_engines.signal_stack import signal_stack_kept

if TYPE_CHECKING:
    import openvino

ENGINE = "openvino"


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """One engine."""
    text = "OpenVINO on the processor, float32"
    return (Engine(ENGINE, text, lambda: version("openvino"), quantizes=True),)


@hookimpl
def prunus_convert(engine: str, network: Network, files: Written, directory: Path) -> Written:
    """An ``.xml`` and a ``.bin``, float32 as the network."""
    return _saved(_converted(files.model), directory / f"{files.model.stem}.xml")


@hookimpl
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running:
    """A compiled model with one request; numbers are float32 where the processor has shorter ones.

    (On processors with bfloat16 OpenVINO takes those unless it is told otherwise.)
    """
    import openvino

    def compiled(**more: bool) -> openvino.CompiledModel:
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            **more,
        }
        try:
            with signal_stack_kept():
                return openvino.Core().compile_model(files.model, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO refuses the network: {_said(error)}") from error

    request = compiled().create_infer_request()
    outputs = [value.name or "" for value in network.model.graph.outputs]

    def run(sample: Sample) -> Mapping[str, NDArray[np.float32]]:
        found = request.infer({name: np.ascontiguousarray(a) for name, a in sample.items()})
        return {name: np.array(found[index]) for index, name in enumerate(outputs)}

    def steps(sample: Sample) -> Mapping[str, float]:
        from prunus_engines.openvino_profile import steps_of

        return steps_of(compiled(PERF_COUNT=True), network, sample)  # counting takes time

    return Running(run, steps=steps)


@hookimpl
def prunus_quantize(
    engine: str,
    network: Network,
    files: Written,
    samples: Mapping[str, NDArray[np.float32]],
    directory: Path,
) -> Written:
    """NNCF's quantisation after training, with its default settings."""
    from prunus_engines.nncf_int8 import quantized

    with signal_stack_kept():  # it runs the model
        model = quantized(_converted(files.model), samples)
    return _saved(model, directory / f"{files.model.stem}.int8.xml")


def _converted(path: Path) -> openvino.Model:
    import openvino

    try:
        return openvino.convert_model(path)
    except Exception as error:
        raise ModelError(f"OpenVINO refuses the network: {_said(error)}") from error


def _saved(model: openvino.Model, path: Path) -> Written:
    import openvino

    openvino.save_model(model, path, compress_to_fp16=False)
    return Written(path, path.with_suffix(".bin"))


def _said(error: Exception) -> str:
    """The last line of OpenVINO's words: those before it name its own sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
