"""Peak memory of `prunus prune` with samples: VGG-16 at 224 pixels and YOLOv3 at 608.

Random weights that keep activations near one; test images of CIFAR-10, enlarged, as
`--train-data`: all of the command with its defaults at rate 0.5 (criterion, search, compensation,
proof, files) but the measurement, in which random weights detect thousands of boxes. Each in a
process of its own, which looks at its resident memory fifty times a second, and tells which step
the highest number was seen in. Goal: 1.5 GB + the weights file.

Usage: python benchmarks/compensation_memory.py [vgg16] [yolov3]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import numpy as np
from caffe_nets import vgg16
from child import peak_memory
from networks import cifar10
from results import write_section

from prunus_darknet.cfg import read_cfg
from prunus_darknet.library import CFG_FOLDER
from prunus_darknet.testing.random_weights import write_random_weights

SAMPLES = {"vgg16": 64, "yolov3": 8}
"""Network -> number of images."""

GOAL = 1.5e9
"""Bytes beside the weights file."""

SIDES = {"vgg16": 224, "yolov3": 608}


def make(name: str, folder: Path) -> tuple[Path, Path]:
    """Model and weights files of a network."""
    if name == "yolov3":
        weights = folder / "yolov3.weights"
        write_random_weights(read_cfg(CFG_FOLDER / "yolov3.cfg"), weights, 0)
        return CFG_FOLDER / "yolov3.cfg", weights
    from prunus.plugin import Compact, Destination, Source
    from prunus_caffe.read import load
    from prunus_caffe.write import write

    model = folder / "vgg16.prototxt"
    model.write_text(vgg16())
    network = load(Source(model, None, {"weights": "random"}))
    write(network, Compact(network.model, {}), Destination(folder, "weights"))
    return model, next(folder.glob("*.caffemodel"))


def images(name: str, path: Path) -> None:
    """Unlabelled images, larger by repeated pixels."""
    side = SIDES[name]
    chosen = cifar10()[0][: SAMPLES[name]].astype(np.float32) / 255
    place = np.arange(side) * 32 // side
    chosen = chosen[:, :, place][:, :, :, place]
    np.savez(path, x=chosen if name == "yolov3" else (chosen - 0.5) * 4)


class Watch(threading.Thread):
    """Keeps the highest resident memory and the step that it was seen in."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.watched = threading.get_ident()
        self.peaks: dict[str, float] = {}

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            resident = 4096 * int(Path("/proc/self/statm").read_text().split()[1])
            step = _step(sys._current_frames().get(self.watched))
            self.peaks[step] = max(resident, self.peaks.get(step, 0))
            time.sleep(0.02)


def _step(frame: object) -> str:
    """The functions of the core that are at work, innermost last."""
    frames = traceback.extract_stack(frame) if frame is not None else []
    names = [f"{Path(f.filename).stem}.{f.name}" for f in frames if "/prunus/" in f.filename]
    return " > ".join(name for name in names[-4:] if not name.startswith("host."))


def child(model: str, weights: str, data: str, space: str) -> None:
    """One measured run; prints JSON."""
    from prunus.cli import main as cli

    watch, start = Watch(), time.perf_counter()
    watch.start()
    command = ["prune", "--model", model, "--weights", weights, "--train-data", data]
    try:
        cli([*command, "--rate", "0.5", "--workspace", space])
    except SystemExit as ended:
        if ended.code:
            raise
    seconds = time.perf_counter() - start
    found = {"seconds": seconds, "peak": peak_memory(), "steps": watch.peaks}
    Path(space, "measured.json").write_text(json.dumps(found))


def measured(name: str) -> tuple[str, ...]:
    """A row of the table; prints the steps of the highest numbers."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        making = [sys.executable, __file__, "--make", name, text]
        model, weights = subprocess.check_output(making, text=True).split()[-2:]
        data, space = folder / "images.npz", folder / "space"
        images(name, data)
        command = [sys.executable, __file__, "--child", model, weights, str(data), str(space)]
        subprocess.run(command, check=True)
        run, size = json.loads((space / "measured.json").read_text()), Path(weights).stat().st_size
    steps = sorted(run["steps"].items(), key=lambda one: -one[1])[:12]
    for step, peak in steps:
        print(f"{peak / 1e6:8.0f} MB  {step}", flush=True)
    return (
        name,
        str(SAMPLES[name]),
        f"{size / 1e6:.0f}",
        f"{run['peak'] / 1e6:.0f}",
        f"{(run['peak'] - size) / 1e6:.0f}",
        f"{run['seconds']:.0f}",
    )


def main() -> None:
    """Both networks, or the ones named on the command line."""
    if sys.argv[1:2] == ["--make"]:
        print(*make(sys.argv[2], Path(sys.argv[3])))
        return
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    header = ("network", "images", "weights file MB", "peak MB", "peak less file MB", "seconds")
    rows = [measured(name) for name in sys.argv[1:] or SAMPLES]
    text = (
        f"`prunus prune --rate 0.5` with unlabelled images; goal: {GOAL / 1e6:.0f} MB beside the "
        "file. benchmarks/compensation_memory.py."
    )
    write_section("Memory of compensation", header, rows, text)


if __name__ == "__main__":
    main()
