"""Do real Caffe and OpenCV agree with us, before and after pruning, on every Caffe net?

For every structure under the shared models (and those of caffe_nets.py): load with its own
weights or random ones, compare the neutral graph with real Caffe; prune at rate 0.5,
write sparse.caffemodel, final.prototxt and transformed.caffemodel, and compare
both in real Caffe (OpenCV where the wheel lacks a layer), and the transformed files in
OpenCV. Text for real Caffe has data layers turned into inputs and post-processing cut off.

Behind LRN across channels the masked and the compact network differ by design: removal moves
its windows. Such a network is swept twice, the second time with the groups that feed
one left whole: then they must be equal.

Usage: PRUNUS_CAFFE_PYTHON=… python benchmarks/caffe_zoo.py [WORD of the paths]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import attrs
import numpy as np
from caffe_nets import alexnet_bn, cifar10_full, vgg16
from networks import SHARED
from results import write_section

import prunus
from prunus.plugin import (
    Compact,
    Destination,
    Network,
    PrunusError,
    Session,
    Written,
    random_inputs,
)
from prunus_caffe.plain import plain_text
from prunus_caffe.testing import (
    CaffeJob,
    caffe_python,
    opencv_outputs,
    relative_error,
    run_caffe,
)
from prunus_caffe.write import write

Arrays = dict[str, np.ndarray]
RATE = 0.5
SIZES = {"lenet_train_test": "1x28x28", "cifar10_quick_train_test": "3x32x32"}


@attrs.frozen
class Row:
    """What was seen of one network."""

    name: str
    engine: str
    groups: int
    whole: float
    pruned: float
    native: float
    opencv: str
    macs: float
    lines: int
    inexact: tuple[str, ...]


def main() -> None:
    """Sweep and write the table."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for model, weights in networks(Path(name)):
            if word in str(model):
                rows.append(sweep(model, weights))
                print(rows[-1], flush=True)
                if rows[-1].inexact:
                    rows.append(sweep(model, weights, rows[-1].inexact))
                    print(rows[-1], flush=True)
    bad = [
        row for row in rows
        if not max(row.whole, row.native, 0 if row.inexact else row.pruned) <= 1e-4
    ]  # fmt: skip
    header = (
        "network", "engine", "groups", "neutral vs engine", "compact vs engine",
        "masked vs compact, in the engine", "OpenCV of the compact files",
        "MACs kept", "lines changed",
    )  # fmt: skip
    cells = [
        (
            row.name, row.engine, str(row.groups), f"{row.whole:.1e}", f"{row.native:.1e}",
            f"{row.pruned:.1e}", row.opencv, f"{row.macs:.1%}", str(row.lines),
        )
        for row in rows
    ]  # fmt: skip
    text = (
        f"{len(rows)} sweeps, pruned at rate 0.5 (uniform, l1); largest relative error over all "
        "outputs and what feeds a last Softmax; random weights where a network comes without. "
        "Behind cross-channel LRN (rows with a star) masked and compact differ by design: removal "
        "moves its windows; the row below leaves those groups whole. OpenCV reads the files as "
        "written, or the text that real Caffe was given (plain) where it does not: it misreads "
        "data layers, and the Axpy layers of the original SE-ResNet-50 too. "
        "benchmarks/caffe_zoo.py."
    )
    if not word:
        write_section("Caffe networks against real Caffe and OpenCV", header, cells, text)
    if bad:
        sys.exit(f"{len(bad)} networks disagree: " + ", ".join(row.name for row in bad))


def networks(folder: Path) -> list[tuple[Path, Path | None]]:
    """Structure files, with weights where there are some."""
    own = folder / "generated"
    own.mkdir()
    for name, text in (
        ("vgg16", vgg16()), ("cifar10_full", cifar10_full()), ("alexnet_bn", alexnet_bn())
    ):  # fmt: skip
        (own / f"{name}.prototxt").write_text(text)
    root = SHARED / "models"
    found = [*(root / "caffe").rglob("*.prototxt"), *(root / "zoo" / "caffe").rglob("*.prototxt")]
    found = [path for path in sorted(found) if "solver" not in path.name] + sorted(own.iterdir())
    return [(path, _weights(path)) for path in found]


def _weights(model: Path) -> Path | None:
    stem = model.stem.removesuffix("_train_test")
    candidates = sorted(model.parent.glob(f"{stem}*.caffemodel"))
    return candidates[0] if candidates else None


def sweep(model: Path, weights: Path | None, exclude: tuple[str, ...] = ()) -> Row:
    """One network: whole and pruned, ours and theirs."""
    options = {"input-shape": SIZES[model.stem]} if model.stem in SIZES else {}
    draw = options | ({} if weights else {"weights": "random"})
    network = prunus.load(model, weights, options=draw)
    plan = prunus.plan(network, rate=RATE, exclude=exclude)
    masked = prunus.prune(network, plan)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {
            "whole": unpruned(network, folder / "whole"),
            "masked": masked.save(folder / "masked"),
            "compact": prunus.compact(masked).save(folder / "compact"),
        }
        again = prunus.load(files["compact"].model, files["compact"].weights, options=options)
        engine, results = in_engine(network, again, files, folder)
        inputs = random_inputs(network.model, 1, 0)
        ours = Session(network.model, outputs_of(network)).run(inputs)
        small = Session(again.model, outputs_of(network)).run(inputs)
        opencv = in_opencv(again, files["compact"], folder, small, inputs)
        before = model.read_bytes().split(b"\n")
        after = files["compact"].model.read_bytes().split(b"\n")
    groups = prunus.stat(network, exclude=exclude).groups
    inexact = tuple(group.layers[0] for group in groups if not group.exact)
    name = f"{model.parent.name}/{model.stem}" + (" *" if inexact else "")
    return Row(
        f"{name}, without {' '.join(exclude)}" if exclude else name, engine, len(groups),
        worst(ours, results[0]), worst(results[1], results[2]), worst(small, results[2]), opencv,
        1 - plan.rate,
        sum(a != b for a, b in zip(before, after, strict=True)), inexact,
    )  # fmt: skip


def unpruned(network: prunus.Network, folder: Path) -> Written:
    """Files of the whole network, weights that were drawn among them."""
    folder.mkdir()
    return write(network, Compact(network.model, {}), Destination(folder, "masked"))


def outputs_of(network: Network) -> tuple[str, ...]:
    """Graph outputs, and what feeds a last Softmax; blobs that have one version only."""
    names = []
    for value in network.model.graph.outputs:
        names.append(value.name or "")
        node = value.producer()
        if node is not None and node.op_type == "Softmax" and node.inputs[0] is not None:
            names.append(node.inputs[0].name or "")
    return tuple(name for name in names if "@" not in name)


def in_engine(
    network: Network, again: Network, files: dict[str, Written], folder: Path
) -> tuple[str, list[Arrays]]:
    """Whole, masked and compact files in real Caffe, or in OpenCV."""
    inputs = random_inputs(network.model, 1, 0)
    jobs = []
    for stage, of in (("whole", network), ("masked", network), ("compact", again)):
        text = folder / f"{stage}.prototxt"
        text.write_text(plain_text(of), errors="surrogateescape")
        jobs.append(CaffeJob(text, files[stage].weights, inputs, outputs_of(network)))
    python = caffe_python()
    if python is None:
        sys.exit("set PRUNUS_CAFFE_PYTHON to an interpreter that imports caffe")
    try:
        return "Caffe", run_caffe(jobs, python)
    except PrunusError:
        results = [
            opencv_outputs(job.model, job.weights or Path(), inputs, job.outputs) for job in jobs
        ]
        return "OpenCV", results


def in_opencv(
    again: Network, written: Written, folder: Path, expected: Arrays, inputs: Arrays
) -> str:
    """Error of the compact files in OpenCV DNN, else of the text that BVLC's Caffe runs."""
    reason = ""
    for text, spelling in ((written.model, ""), (folder / "compact.prototxt", " (plain)")):
        try:
            found = opencv_outputs(text, written.weights or Path(), inputs, outputs_of(again))
        except PrunusError as error:
            reason = "refused: " + str(error).partition("Assertion failed) ")[2]
            continue
        reason = f"{worst(expected, found):.1e}{spelling}"
        if worst(expected, found) <= 1e-4:
            break
    return reason


def worst(ours: Arrays, theirs: Arrays) -> float:
    """Largest relative error of any output."""
    return max(relative_error(ours[name], theirs[name]) for name in ours)


if __name__ == "__main__":
    main()
