"""How do the steps grow with the number of layers?

Chains (convolution and rectifier), residual blocks and grouped convolutions of 500 to 10,000
convolutions, 8 channels wide on 8x8 pixels, in Caffe, Darknet and ONNX files with random
weights. Measured: CPU seconds of each command, user and system time of its process, imports
included. Goal: linear up to 10,000 layers, and at most 2 ms a layer for `stat`.

Without options a part of this: every network and size would take an hour. The part takes about
20 minutes of CPU time. The section is written anew after each network.

Usage: python benchmarks/growth.py [--layers 500,1000,2000 --nets caffe-chain,darknet-grouped]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from results import write_section

PART = {
    "caffe-chain": (500, 2000, 5000, 10000),
    "onnx-chain": (500, 2000, 5000, 10000),
    "darknet-chain": (500, 2000, 5000, 10000),
    "caffe-residual": (500, 2000, 5000),
    "caffe-grouped": (500, 2000, 5000),
    "onnx-grouped": (500, 2000, 5000),
}
"""Network -> numbers of convolutions measured unless others are asked for."""
HEADER = ["network", "convolutions", "layers", "stat", "stat, ms a layer", "prune", "transform"]
WIDTH, SIDE, GROUPS = 8, 8, 2


def main() -> None:
    """Write, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", help="numbers of convolutions")
    parser.add_argument("--nets", help="networks to measure")
    parser.add_argument("--at-once", type=int, default=2, help="networks measured at a time")
    given = parser.parse_args()
    nets = given.nets.split(",") if given.nets else PART
    sizes = tuple(map(int, given.layers.split(","))) if given.layers else ()
    cells = [(net, size) for net in nets for size in sizes or PART[net]]
    rows: dict[tuple[str, int], list[str]] = {}
    with ThreadPoolExecutor(given.at_once) as pool:
        longest_first = sorted(cells, key=lambda cell: -cell[1])
        running = {pool.submit(row, net, size): (net, size) for net, size in longest_first}
        for done in as_completed(running):
            rows[running[done]] = done.result()
            found = [rows[cell] for cell in cells if cell in rows]
            write_section("Growth with the number of layers: CPU seconds", HEADER, found, TEXT)


TEXT = (
    "Each convolution has a rectifier behind it: twice as many layers as convolutions in Caffe and "
    "ONNX files, and an addition for every second one in residual networks. `prune` at rate 0.3 "
    "without samples, `transform --no-measure` with its proof. Imports alone take about 1 s."
)


def row(net: str, size: int) -> list[str]:
    """Network, size, CPU seconds of the commands."""
    with tempfile.TemporaryDirectory() as folder:
        files = NETS[net](net.split("-")[1], size, Path(folder))
        workspace = ["--workspace", f"{folder}/ws"]
        stat = cpu("stat", *files)
        prune = cpu("prune", *files, "--rate", "0.3", *workspace)
        transform = cpu("transform", "--no-measure", *workspace)
    layers = layers_of(net, size)
    each = f"{1000 * stat / layers:.2f}"
    times = [f"{stat:.1f}", each, f"{prune:.1f}", f"{transform:.1f}"]
    return [net, f"{size:,}", f"{layers:,}", *times]


def layers_of(net: str, size: int) -> int:
    """Layers as the framework counts them: Darknet's activations are no layers of their own."""
    framework, kind = net.split("-")
    return size * (1 if framework == "darknet" else 2) + (size // 2 if kind == "residual" else 0)


def cpu(*arguments: str) -> float:
    """CPU seconds of a command in a process of its own."""
    command = [sys.executable, "-m", "prunus", *arguments, "--json"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=alone)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime


def onnx(kind: str, size: int, folder: Path) -> list[str]:
    """A file of ONNX operators."""
    import onnx_ir as ir

    from prunus.testing.nets.builder import Builder

    b = Builder(0)
    x = b.conv(b.input(3, SIDE), WIDTH)
    for index in range(size - 2):
        group = GROUPS if kind == "grouped" and index % 2 else 1
        y = b.act(b.conv(x, WIDTH, group=group))
        x = b.add(x, y) if kind == "residual" and index % 2 else y
    ir.save(b.model(b.conv(x, WIDTH)), folder / "net.onnx")
    return ["--model", str(folder / "net.onnx")]


def caffe(kind: str, size: int, folder: Path) -> list[str]:
    """A prototxt and a caffemodel."""
    import numpy as np

    from prunus_caffe.schema.messages import message

    text = f'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: {SIDE}\ninput_dim: {SIDE}\n'
    stored = message("NetParameter")()
    draw, bottom = np.random.default_rng(0), "data"
    for index in range(size):
        name, group = f"conv{index}", GROUPS if kind == "grouped" and index % 2 else 1
        numbers = f"num_output: {WIDTH} kernel_size: 3 pad: 1 group: {group}"
        text += _caffe(name, "Convolution", f'bottom: "{bottom}"', name, numbers, "convolution")
        text += _caffe(f"relu{index}", "ReLU", f'bottom: "{name}"', name)
        layer = stored.layer.add(name=name, type="Convolution")
        inputs = WIDTH // group if index else 3
        for shape in ((WIDTH, inputs, 3, 3), (WIDTH,)):
            blob = layer.blobs.add()
            blob.shape.dim.extend(shape)
            blob.data.extend((draw.standard_normal(np.prod(shape)) * 0.1).tolist())
        if kind == "residual" and index % 2:
            ends = f'bottom: "{bottom}" bottom: "{name}"'
            name = f"sum{index}"
            text += _caffe(name, "Eltwise", ends, name)
        bottom = name
    (folder / "net.prototxt").write_text(text)
    (folder / "net.caffemodel").write_bytes(stored.SerializeToString())
    return ["--model", f"{folder}/net.prototxt", "--weights", f"{folder}/net.caffemodel"]


def _caffe(name: str, kind: str, bottoms: str, top: str, numbers: str = "", of: str = "") -> str:
    inside = f" {of}_param {{ {numbers} }}" if of else ""
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top}"{inside} }}\n'


def darknet(kind: str, size: int, folder: Path) -> list[str]:
    """A cfg and its weights."""
    from prunus_darknet.cfg import parse_cfg
    from prunus_darknet.testing.random_weights import write_random_weights

    text = f"[net]\nwidth={SIDE}\nheight={SIDE}\nchannels=3\nbatch=1\nsubdivisions=1\n"
    for index in range(size):
        group = GROUPS if kind == "grouped" and index % 2 else 1
        text += f"[convolutional]\nfilters={WIDTH}\nsize=3\npad=1\nactivation=leaky\n"
        text += f"groups={group}\n" * (group > 1)
        text += "[shortcut]\nfrom=-3\n" * (kind == "residual" and index % 2 and index > 2)
    path = folder / "net.cfg"
    path.write_text(text)
    write_random_weights(parse_cfg(text, path), folder / "net.weights", 0)
    return ["--model", str(path), "--weights", str(folder / "net.weights")]


NETS: dict[str, Callable[[str, int, Path], list[str]]] = {
    f"{format_.__name__}-{kind}": format_
    for format_ in (caffe, darknet, onnx)
    for kind in ("chain", "residual", "grouped")
}

if __name__ == "__main__":
    main()
