"""Networks in Darknet, in a process of its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, Network, Running, Sample, Written, infer_shapes
from prunus_darknet.engine.version import version
from prunus_darknet.origin import Origin


def load(network: Network, files: Written, threads: int) -> Running:
    """A network in a process of its own: Darknet ends the process on errors.

    Raises:
        ModelError: Darknet refuses the files.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    places = _places(network, origin)
    child = _Child.start(files, threads)
    shapes = infer_shapes(network.model)
    sizes = {name: math.prod(shapes[name]) for name in places}

    def ask(sample: Sample) -> float:
        (array,) = sample.values()
        np.save(child.given, array)
        return float(child.ask({"places": places, "sizes": sizes})["milliseconds"])

    def run(sample: Sample) -> Mapping[str, NDArray[np.float32]]:
        ask(sample)
        with np.load(child.result) as arrays:
            return {name: arrays[name].reshape(shapes[name]) for name in places}

    try:
        child.answer()
    except ModelError:
        child.close()
        raise
    return Running(run, milliseconds=ask, close=child.close)


def _places(network: Network, origin: Origin) -> dict[str, int]:
    """Graph output -> number of the layer that gives it.

    Raises:
        ModelError: an output is no layer's; or the network has inputs beside the image.
    """
    numbers = {layer.name: layer.index for layer in origin.structure.layers}
    graph = network.model.graph
    names = [value.name or "" for value in graph.outputs]
    lost = [name for name in names if name not in numbers]
    if lost or len(graph.inputs) != 1:
        raise ModelError(f"Darknet does not give '{(lost or ['the inputs of opaque layers'])[0]}'")
    return {name: numbers[name] for name in names}


@attrs.frozen(eq=False)
class _Child:
    """The process, and the files by which arrays go there and back."""

    process: subprocess.Popen[str]
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def start(cls, files: Written, threads: int) -> _Child:
        """Load a network."""
        folder = tempfile.TemporaryDirectory(prefix="prunus-darknet-")
        count, named = str(threads), (str(files.model), str(files.weights))
        with (Path(folder.name) / "log").open("w") as words:
            process = subprocess.Popen(
                [sys.executable, "-m", "prunus_darknet.engine.child", version(), *named],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count},
            )
        return cls(process, folder)

    @property
    def given(self) -> Path:
        """File of the sample."""
        return Path(self.folder.name) / "given.npy"

    @property
    def result(self) -> Path:
        """File of the outputs."""
        return Path(self.folder.name) / "result.npz"

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Run the sample."""
        assert self.process.stdin is not None
        order = {**order, "given": str(self.given), "result": str(self.result)}
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: the missing answer says so
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            ModelError: Darknet ended; its last words are quoted.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            said = (Path(self.folder.name) / "log").read_text(errors="replace").strip()
            last = said.splitlines()[-1:] or ["it said nothing"]
            raise ModelError(f"Darknet refuses the network: {last[0]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()
