"""The first batch of a data layer in real Caffe."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def first_batch(
    folder: Path, python: str, text: str, phase: str = "TEST"
) -> Mapping[str, NDArray[np.float32]]:
    """Blobs ``data`` and ``label`` after one forward pass.

    Args:
        folder: For the files in between.
        python: The interpreter of the user's Caffe.
        text: Prototxt of the layer.
        phase: ``TEST`` or ``TRAIN``.
    """
    (folder / "net.prototxt").write_text(text, encoding="utf-8")
    code = (
        "import caffe, numpy as np\n"
        "caffe.set_random_seed(1)\n"
        f"net = caffe.Net(r'{folder}/net.prototxt', caffe.{phase})\n"
        "net.forward()\n"
        "found = {name: blob.data for name, blob in net.blobs.items()}\n"
        f"np.savez(r'{folder}/out.npz', **found)\n"
    )
    subprocess.run([python, "-c", code], check=True, capture_output=True)
    with np.load(folder / "out.npz") as stored:
        return {name: stored[name] for name in stored.files}
