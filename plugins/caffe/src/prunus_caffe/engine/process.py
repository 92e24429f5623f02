"""Networks in Caffe, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import (
    ModelError,
    Network,
    PluginError,
    Running,
    Sample,
    Written,
    read_protobuf_text,
)
from prunus_caffe.plain import plain_text
from prunus_caffe.training.process import Caffe, interpreter


def convert(network: Network, files: Written, directory: Path) -> Written:
    """The same files, with inputs in place of data layers and without losses."""
    path = directory / f"{files.model.stem}.prototxt"
    document = read_protobuf_text(files.model)
    path.write_text(plain_text(network, document), "utf-8", errors="surrogateescape")
    return Written(path, files.weights)


def load(network: Network, files: Written, threads: int) -> Running:
    """A net in a process of its own.

    Raises:
        ModelError: Caffe refuses the files.
    """
    folder = tempfile.TemporaryDirectory(prefix="prunus-caffe-")
    caffe = _started(files, Path(folder.name), threads)
    given, result = Path(folder.name) / "given.npz", Path(folder.name) / "result.npz"
    outputs = [value.name or "" for value in network.model.graph.outputs]

    def close() -> None:
        caffe.process.kill()
        caffe.process.communicate()
        folder.cleanup()

    def ask(sample: Sample) -> float:
        arrays = {str(number): array for number, array in enumerate(sample.values())}
        np.savez(given, **arrays)  # type: ignore[arg-type]  # NumPy 1 has no allow_pickle here
        answer = caffe.ask(
            "run", given=str(given), inputs=list(sample), outputs=outputs, result=str(result)
        )
        return float(answer["milliseconds"])

    def run(sample: Sample) -> Mapping[str, NDArray[np.float32]]:
        ask(sample)
        with np.load(result) as arrays:
            return {name: arrays[str(number)] for number, name in enumerate(outputs)}

    try:
        caffe.begin()
    except PluginError as error:
        close()
        raise ModelError(f"Caffe refuses the network: {error}") from error
    return Running(run, milliseconds=ask, close=close)


def _started(files: Written, folder: Path, threads: int) -> Caffe:
    log = folder / "log"
    script = Path(__file__).with_name("child.py")
    count = str(threads)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count}
    with log.open("w") as words:
        process = subprocess.Popen(
            [interpreter({}), str(script), str(files.model), str(files.weights)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            env=environment,
        )
    return Caffe(process, log)
