"""Does the real ncnn agree with us, before and after pruning, on every ncnn network?

    python benchmarks/ncnn_zoo.py [FOLDER or .param …] [--only WORD]

Three kinds of networks: files with trained weights that packages of pip ship (FOLDERs, where
they are unpacked; a ``.param`` without a ``.bin`` beside it gets random weights, so ncnn's own
benchmark folder will do), the networks of ncnn_nets.py with random weights, and networks
of ONNX converted by ncnn's own pnnx, where that is installed. Each is computed by prunus and by
ncnn; then it is pruned at rate 0.5, without samples, and the smaller file is compared with
the masked one, both in ncnn.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import onnx
import onnx_ir as ir
from ncnn_nets import NETS
from networks import SHARED
from prunus_ncnn.param import read_structure
from prunus_ncnn.stored import stored_arrays
from prunus_ncnn.testing.compare import compare
from prunus_ncnn.testing.random_weights import write_random_weights
from results import RESULTS, write_section

import prunus
from prunus.plugin import Network, PrunusError, Source, Written
from prunus.testing.nets import NETS as SMALL

TITLE = "ncnn networks in the real ncnn, whole and pruned"
HEADER = [
    "network", "weights", "layers", "whole: prunus – ncnn", "ncnn – itself",
    "rate 0.5: smaller – masked, in ncnn", "bytes gone", "seconds",
]  # fmt: skip
TEXT = """\
`python benchmarks/ncnn_zoo.py FOLDER…`: {} networks; {} of them are the same in prunus and in
ncnn, and {} smaller files the same as the masked ones, within 1e-4 or within the difference of
ncnn to itself. Differences are the largest one relative to the largest number of an output. ncnn
computes in float32 without Winograd's method; "itself" is ncnn without packing, whose sums round
in another order. Each is pruned at rate 0.5 without samples. LRN across channels sees other windows
once channels are gone: there (alexnet_lrn, googlenet) the smaller and the masked file differ by
design. Files that ncnn itself cannot read are its converter's."""
LIMIT = 1e-4
RATE = 0.5
SIDE = 64
"""Height and width for shipped networks: they turn images of any size into others."""


@attrs.frozen
class Subject:
    """A network to look at."""

    name: str
    source: Source
    weights: str


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        for subject in subjects(given.files, Path(text), given.only):
            store(row(subject, Path(text)))


def store(new: list[str]) -> None:
    """Write the section with a row more; rows of other networks stay."""
    section = (
        RESULTS.read_text(encoding="utf-8").partition(f"## {TITLE}\n")[2].partition("\n## ")[0]
    )
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    rows = {cells[0]: cells for cells in (*lines[2:], new)}
    numbers = [list(map(float, cells[3:6])) for cells in rows.values() if cells[-2] != "–"]
    equal = sum(whole <= max(LIMIT, engine) for whole, engine, _ in numbers)
    pruned = sum(smaller <= max(LIMIT, engine) for _, engine, smaller in numbers)
    write_section(TITLE, HEADER, list(rows.values()), TEXT.format(len(rows), equal, pruned))


def subjects(files: list[Path], scratch: Path, word: str) -> Iterator[Subject]:
    """All networks with a word in their name, one at a time."""
    for name, text in NETS.items():
        if word not in name:
            continue
        model = scratch / f"{name}.param"
        model.write_text(text(), encoding="utf-8")
        write_random_weights(model)
        yield Subject(name, Source(model), "random")
    for found in (shipped(files, scratch), converted(scratch)):
        yield from (one for one in found if word in one.name)


def shipped(files: list[Path], scratch: Path) -> Iterator[Subject]:
    """Files of others; of those that differ in weights alone, the first."""
    seen: set[str] = set()
    for path in (
        one
        for given in files
        for one in ([given] if given.is_file() else sorted(given.rglob("*.param")))
    ):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        if path.with_suffix(".bin").exists():
            source, weights = sized(path), "trained"
        else:
            source, weights = Source(Path(shutil.copy(path, scratch))), "random"
            write_random_weights(source.model)
        yield Subject(f"{path.parent.name}/{path.stem}", source, weights)


def sized(path: Path) -> Source:
    """With a small input, as large as its first convolution takes channels."""
    layers = read_structure(path).layers
    first = next(layer for layer in layers if layer.kind == "Convolution")
    channels = stored_arrays(first)[0].shape[1]
    return Source(path, None, {"input-shape": f"{channels}x{SIDE}x{SIDE}"})


def converted(scratch: Path) -> Iterator[Subject]:
    """Networks of ONNX by ncnn's own converter: small ones of the test kit, and trained ones."""
    try:
        import pnnx
    except ImportError:
        return
    program = Path(pnnx.__file__).with_name("pnnx")
    for name, make in SMALL.items():
        path = scratch / f"{name}.onnx"
        ir.save(make(0), path)
        yield from convert(program, path, f"pnnx: {name}", "random")
    for path in sorted((SHARED / "models/onnx").rglob("*.onnx")):
        yield from convert(
            program, Path(shutil.copy(path, scratch)), f"pnnx: {path.stem}", "trained"
        )


def convert(program: Path, path: Path, name: str, weights: str) -> Iterator[Subject]:
    """By ``pnnx``, which stores float16."""
    shapes = []
    graph = onnx.load(path).graph
    held = {one.name for one in graph.initializer}
    for value in (value for value in graph.input if value.name not in held):
        dims = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
        shapes.append([1, *dims[1:]])
    said = ",".join(str(shape).replace(" ", "") for shape in shapes)
    command = [str(program), path.name, f"inputshape={said}"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=path.parent, env=env, capture_output=True, text=True)
    model = path.with_name(f"{path.stem}.ncnn.param")
    if done.returncode or not model.exists():
        said = done.stderr.strip().splitlines()[-1:]
        print(f"{name}: pnnx gives {done.returncode}: {said}", file=sys.stderr)
        return
    sizes = {f"in{number}:{'x'.join(map(str, shape[1:]))}" for number, shape in enumerate(shapes)}
    yield Subject(name, Source(model, None, {"input-shape": ",".join(sorted(sizes))}), weights)


def by_rate(network: Network, folder: Path) -> tuple[Written, Written]:
    """Masked and smaller files at rate 0.5, chosen and proven as for every user."""
    plan = prunus.plan(network, rate=RATE, best_effort=True)
    masked = prunus.prune(network, plan)
    return masked.save(folder / "masked"), prunus.compact(masked).save(folder / "compact")


def row(subject: Subject, scratch: Path) -> list[str]:
    """Compare one network."""
    start = time.perf_counter()
    layers = str(len(read_structure(subject.source.model).layers))
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        found = compare(subject.source, folder, prune=by_rate)
        measured = [f"{number:.1e}" for number in (found.whole, found.engine, found.pruned)]
        measured.append(f"{found.removed:.0%}")
    except (PrunusError, AssertionError) as error:
        measured = [f"{type(error).__name__}: {str(error).rpartition('/')[2]}"[:200], "–", "–", "–"]
    shutil.rmtree(folder)
    gc.collect()
    return [subject.name, subject.weights, layers, *measured, f"{time.perf_counter() - start:.0f}"]


if __name__ == "__main__":
    main()
