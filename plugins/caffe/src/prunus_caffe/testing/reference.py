"""Results of the real frameworks for a network."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import PluginError

Array = NDArray[np.float32]


@attrs.frozen
class CaffeJob:
    """One forward pass in real Caffe.

    Attributes:
        model, weights: Files.
        inputs: Blob -> array, batch included.
        outputs: Blobs to return; the net's outputs by default.
        phase: ``TEST`` or ``TRAIN``.
        start: First layer to run (to skip a data layer whose data is not there).
        save: Where Caffe writes its own caffemodel.
    """

    model: Path
    weights: Path | None
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...] = ()
    phase: str = "TEST"
    start: str | None = None
    save: Path | None = None


def caffe_python() -> str | None:
    """Interpreter that can import Caffe (``PRUNUS_CAFFE_PYTHON``)."""
    return os.environ.get("PRUNUS_CAFFE_PYTHON") or None


def run_caffe(jobs: Sequence[CaffeJob], python: str) -> list[dict[str, Array]]:
    """Blob -> array for every job, from one Caffe process.

    Raises:
        PluginError: Caffe refuses a file (its own last words are quoted).
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        described = [_describe(job, directory, index) for index, job in enumerate(jobs)]
        listing = directory / "jobs.json"
        listing.write_text(json.dumps(described))
        script = Path(__file__).with_name("bridge.py")
        done = subprocess.run(
            [python, str(script), str(listing)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            words = [line for line in done.stderr.splitlines() if line.strip()]
            raise PluginError("Caffe: " + " | ".join(words[-25:] or [f"exit {done.returncode}"]))
        return [_load(Path(job["result"])) for job in described]


def _describe(job: CaffeJob, directory: Path, index: int) -> dict[str, Any]:
    inputs = directory / f"inputs{index}.npz"
    arrays: dict[str, Any] = {name.replace("/", "|"): array for name, array in job.inputs.items()}
    np.savez(inputs, **arrays)
    return {
        "model": str(job.model), "weights": str(job.weights) if job.weights else None,
        "phase": job.phase, "inputs": str(inputs), "start": job.start,
        "outputs": list(job.outputs) or None, "result": str(directory / f"result{index}.npz"),
        "save": str(job.save) if job.save else None,
    }  # fmt: skip


def _load(path: Path) -> dict[str, Array]:
    with np.load(path) as stored:
        return {key.replace("|", "/"): stored[key] for key in stored.files}


def opencv_outputs(
    model: Path, weights: Path, inputs: Mapping[str, Array], layers: Sequence[str]
) -> dict[str, Array]:
    """Layer name -> its output in OpenCV DNN.

    Raises:
        PluginError: OpenCV refuses the files.
    """
    import cv2

    try:
        net = cv2.dnn.readNetFromCaffe(str(model), str(weights))
        net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        for name, array in inputs.items():
            net.setInput(array, name)
        found = net.forward(list(layers))
    except cv2.error as error:
        raise PluginError(f"OpenCV: {str(error).splitlines()[0]}") from error
    return dict(zip(layers, (np.asarray(array) for array in found), strict=True))


def relative_error(ours: Array, theirs: Array) -> float:
    """Max |ours - theirs| / max |theirs|; infinite for other sizes or non-numbers."""
    if ours.size != theirs.size or not np.isfinite(ours).all():
        return float("inf")
    difference = np.abs(ours.ravel().astype(np.float64) - theirs.ravel()).max(initial=0.0)
    return float(difference) / (float(np.abs(theirs).max(initial=0.0)) or 1.0)
