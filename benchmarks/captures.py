"""Every command as a terminal of 80 and of 140 columns shows it, as text.

    python benchmarks/captures.py FOLDER [CHECKOUT]

Commands run in a pseudo-terminal; pyte (`pip install pyte`) reads what they draw. With another
checkout of prunus its code runs, for a comparison. Networks: the one of ``prunus demo``, the
example's LeNet, and shared ones of ONNX, Darknet and Keras.
"""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte
from networks import ROOT, SHARED

WIDTHS = (80, 140)
HEIGHT = 50
DIGITS = "--model digits.onnx"
FASTEST = "--model yolo-fastest.cfg --weights yolo-fastest.weights"
COMMANDS = {
    "00-welcome": "",
    "01-help": "--help",
    "02-plugins": "plugins",
    "03-methods": "methods",
    "04-doctor": "doctor",
    "10-stat": f"stat {DIGITS}",
    "11-ana": f"ana {DIGITS} --data test.npz --workspace ws",
    "12-prune": f"prune {DIGITS} --data test.npz --workspace ws --rate 0.5",
    "13-finetune": "finetune --workspace ws --train-data train.npz --epochs 2",
    "14-transform": "transform --workspace ws --output small",
    "15-eval": f"eval {DIGITS} --data test.npz",
    "16-export": f"export {DIGITS} --output out.onnx",
    "17-compress": "compress --workspace ws --output small.prunus",
    "18-decompress": "decompress small.prunus --output back",
    "19-report": "report --workspace ws",
    "20-explain": f"explain fc1 {DIGITS}",
    "21-run": f"run {DIGITS} --data test.npz --train-data train.npz --rates 0.3,0.5 "
    "--workspace ws-run --epochs 1",
    "30-stat-darknet": f"stat {FASTEST}",
    "31-prune-darknet": f"prune {FASTEST} --workspace wd --rate 0.3",
    "32-transform-darknet": "transform --workspace wd --output dsmall",
    "33-stat-onnx": "stat --model resnet32_cifar10.onnx",
    "34-stat-keras": "stat --model cifar10_cnn.keras",
    "35-prune-onnx": "prune --model resnet32_cifar10.onnx --workspace wr --rate 0.5",
    "36-explain-darknet": f"explain 14 {FASTEST}",
    "37-stat-caffe": "stat --model train_val.prototxt --weights lenet.caffemodel",
    "40-finetune-help": "finetune --help",
    "41-prune-help": "prune --help",
}
"""Name of a capture -> words behind ``prunus``."""

DEMO, LENET = ROOT / "core/src/prunus/cli/demo_files", ROOT / "examples/lenet"
YOLO = SHARED / "models/darknet/yolo-fastest-1.0"
FILES = (
    *(DEMO / name for name in ("digits.onnx", "test.npz", "train.npz")),
    *(LENET / name for name in ("train_val.prototxt", "lenet.caffemodel")),
    *(YOLO / name for name in ("yolo-fastest.cfg", "yolo-fastest.weights")),
    SHARED / "models/onnx/resnet32_cifar10.onnx",
    SHARED / "models/tensorflow/cifar10_keras/cifar10_cnn.keras",
)
PACKAGES = ("core", "plugins/caffe", "plugins/darknet", "plugins/tensorflow", "plugins/torch")


def shown(
    words: Sequence[str], columns: int, folder: Path, more: Mapping[str, str]
) -> tuple[str, int]:
    """What a command leaves on the screen and above it, and its exit code."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        command = [sys.executable, "-m", "prunus", *words]
        os.execve(sys.executable, command, {**environment, **more})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, columns, 0, 0))
    screen = pyte.HistoryScreen(columns, HEIGHT, history=5000)
    stream = pyte.ByteStream(screen)
    while data := _read(terminal):
        stream.feed(data)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    above = ("".join(line[column].data for column in range(columns)) for line in screen.history.top)
    return "\n".join(line.rstrip() for line in (*above, *screen.display)).rstrip(), code


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the command has ended
        return b""


def main(folder: Path, checkout: Path) -> None:
    """Run every command in both widths."""
    path = os.pathsep.join(str(checkout / package / "src") for package in PACKAGES)
    more = {"PYTHONPATH": path, "TERM": "xterm-256color", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for columns in WIDTHS:
        work = folder / f"work-{columns}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for file in FILES:
            shutil.copy(file, work)
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            text, code = shown(command.split(), columns, work, more)
            end = f"[exit {code}, {time.perf_counter() - start:.1f} s]"
            file = folder / f"{name}-{columns}.txt"
            file.write_text(f"$ prunus {command}\n{text}\n{end}\n", encoding="utf-8")
            print(file, end, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else ROOT).resolve())
