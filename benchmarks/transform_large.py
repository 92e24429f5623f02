"""What does it cost to transform a full-size VGG-16 (528 MiB caffemodel, random weights)?

Baseline: parsing the masked caffemodel with protobuf and serialising it again, to disk.
Measured, each in a process of its own (wall time after imports, peak resident memory):
load, group, read the mask, compact, write; then the same with the proof, which loads the
result back and runs both networks. Goal without the proof: 3 times the baseline's time,
2.5 times the file's size in memory.

Usage: python benchmarks/transform_large.py [--rate 0.5]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from caffe_nets import vgg16
from child import REPEATS, fastest, peak_memory
from results import write_section


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratio", type=float, default=0.5, help="share of channels to mask")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, model, weights = given.child
        if kind == "make":
            masked(Path(model), Path(weights), given.ratio)
        else:
            print(json.dumps(child(kind, model, weights)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "vgg16.prototxt"
        model.write_text(vgg16())
        weights = folder / "sparse.caffemodel"
        # in a process of its own: a child's peak starts at the size of the one that starts it
        make = ["--ratio", str(given.ratio), "--child", "make", str(model), str(folder)]
        subprocess.run([sys.executable, __file__, *make], check=True)
        size = weights.stat().st_size
        files = (str(model), str(weights))
        found = {
            kind: fastest(__file__, "--child", kind, *files, by="seconds")
            for kind in ("protobuf", "transform", "proof")
        }
    base = found["protobuf"]["seconds"]
    labels = {
        "protobuf": "protobuf: parse and serialise",
        "transform": "transform without proof",
        "proof": "transform with proof",
    }
    rows = [
        (
            labels[kind],
            f"{run['seconds']:.2f}",
            f"{run['seconds'] / base:.1f}",
            f"{run['peak'] / 1e6:.0f}",
            f"{run['peak'] / size:.2f}",
            f"{run['written'] / 1e6:.0f}",
        )
        for kind, run in found.items()
    ]
    header = ("step", "seconds", "times protobuf", "peak MB", "peak / file", "MB written")
    text = (
        f"VGG-16 with random weights, {size / 1e6:.0f} MB, {given.ratio:.0%} of the channels "
        f"masked; fastest of {REPEATS} runs. benchmarks/transform_large.py."
    )
    write_section("Transforming a full-size caffemodel", header, rows, text)


def masked(model: Path, folder: Path, ratio: float) -> None:
    """A masked caffemodel with random weights."""
    import numpy as np

    from prunus.plugin import Compact, Destination, Source, find_groups, mask
    from prunus_caffe.read import load
    from prunus_caffe.write import write

    network = load(Source(model, None, {"weights": "random"}))
    grouping = find_groups(network)
    draw = np.random.default_rng(0)
    keep = {g.name: draw.permutation(g.size) >= ratio * g.size for g in grouping.groups}
    changed = mask(network, grouping, keep)
    write(changed, Compact(changed.model, {}), Destination(folder, "masked"))


def child(kind: str, model: str, weights: str) -> dict[str, float]:
    """One measured run."""
    with tempfile.TemporaryDirectory(dir=Path(weights).parent) as name:
        output = Path(name)
        if kind == "protobuf":
            from prunus_caffe.schema import message

            parser = message("NetParameter")
            start = time.perf_counter()
            parsed = parser.FromString(Path(weights).read_bytes())
            (output / "again.caffemodel").write_bytes(parsed.SerializeToString())
        else:
            from prunus.plugin import Settings, start as start_host, transform_step

            host = start_host()
            import prunus_caffe.read
            import prunus_caffe.write  # noqa: F401  not part of the measured time, as protobuf above

            settings = Settings(model=Path(model), weights=Path(weights))
            start = time.perf_counter()
            transform_step(host, settings, output / "out", proof=kind == "proof", measure=False)
        seconds = time.perf_counter() - start
        written = sum(path.stat().st_size for path in output.rglob("*.caffemodel"))
    return {"seconds": seconds, "peak": peak_memory(), "written": written}


if __name__ == "__main__":
    main()
