"""Install the wheels of dist/ alone, outside the tree, and prune with them.

Usage: python .ci/wheels.py [interpreter]. Neither torch nor TensorFlow is installed. A first
command that fails ends it with exit code 1.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DIST = Path(__file__).parents[1] / "dist"
WHEELS = ("prunus", "prunus_caffe", "prunus_darknet")
ABSENT = ("torch", "tensorflow", "keras")

CFG = """[net]
width=16
height=16
channels=3
batch=1
[convolutional]
filters=16
size=3
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
filters=16
size=3
pad=1
activation=leaky
[connected]
output=4
activation=linear
[softmax]
"""
NUMBERS = 16 * 27 + 16 + 16 * 144 + 16 + 4 * 16 * 64 + 4

PROTOTXT = """name: "small" input: "data" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
  convolution_param { num_output: 16 kernel_size: 3 } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2"
  convolution_param { num_output: 16 kernel_size: 3 } }
layer { name: "r2" type: "ReLU" bottom: "c2" top: "c2" }
layer { name: "fc" type: "InnerProduct" bottom: "c2" top: "fc"
  inner_product_param { num_output: 4 } }
"""


def main() -> None:
    """Install, check and prune a Darknet and a Caffe network of random weights."""
    with tempfile.TemporaryDirectory(prefix="prunus-wheels-") as text:
        folder = Path(text)
        os.chdir(folder)
        interpreter = sys.argv[1] if len(sys.argv) > 1 else sys.executable
        run(interpreter, "-m", "venv", "venv")
        scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        python, prunus = str(scripts / "python"), str(scripts / "prunus")
        wheels = [str(wheel) for name in WHEELS for wheel in DIST.glob(f"{name}-*.whl")]
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wheels)
        run(python, "-m", "pip", "check")
        run(python, "-c", f"import importlib.util as u; assert not any(map(u.find_spec, {ABSENT}))")
        for command in ("--help", "plugins", "methods"):
            run(prunus, command)
        Path("net.cfg").write_text(CFG, encoding="utf-8")
        values = (((i * 7919) % 1000) / 1000 - 0.5 for i in range(NUMBERS))
        header = struct.pack("<iiiq", 0, 2, 0, 0)
        Path("net.weights").write_bytes(header + struct.pack(f"<{NUMBERS}f", *values))
        Path("net.prototxt").write_text(PROTOTXT, encoding="utf-8")
        networks = {
            "darknet": ("--model", "net.cfg", "--weights", "net.weights"),
            "caffe": ("--model", "net.prototxt", "--option", "weights=random"),
        }
        for name, network in networks.items():
            run(prunus, "stat", *network)
            run(prunus, "prune", *network, "--workspace", name, "--rate", "0.5")
            run(prunus, "transform", *network, "--workspace", name, "--output", f"{name}-small")
        print("the wheels work")


def run(*command: str) -> None:
    """Run a command, show it and its output, and end with it if it fails."""
    print("$", Path(command[0]).name, *(Path(word).name for word in command[1:]), flush=True)
    start = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    print(f"[{time.perf_counter() - start:.1f} s]", flush=True)
    if code:
        sys.exit(f"exit code {code}")


if __name__ == "__main__":
    main()
