"""From the float original to the pruned int8 network, in two engines: accuracy, bytes and speed.

    python benchmarks/int8.py [EPOCHS]

ResNet-20 of CIFAR-10 (trained): pruned at rate 0.5 and distilled from the original without labels,
then handed to each engine by `prunus export --to ENGINE --int8`; the files that it writes are
measured. Accuracy is top-1 on test images, one at a time; speed is that of all four files of
an engine in turns.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from cifar_resnets import Augmented
from networks import SHARED, cifar10, normalised, read
from results import write_section

import prunus
from prunus import Network
from prunus.plugin import Engine, Running, Written, random_inputs, run, start

ENGINES = ("onnxruntime", "openvino")
THREADS, TURNS = 2, 400
CALIBRATION, TESTED = 300, 5000


def samples(folder: Path, network: Network) -> tuple[Path, Path]:
    """Test images with labels, and some training images without."""
    test, train = folder / "test.npz", folder / "train.npz"
    data = normalised(network, *cifar10())
    batch = data.read(np.arange(TESTED), None)
    np.savez(test, x=next(iter(batch.inputs.values())), y=batch.labels)
    own = normalised(network, *cifar10("train_batch_1")).read(np.arange(CALIBRATION), None)
    np.savez(train, x=next(iter(own.inputs.values())))
    return test, train


def pruned(network: Network, epochs: float, folder: Path) -> Path:
    """The file of the smaller network."""
    train = normalised(network, *cifar10("train_batch_1"))
    inputs = train.read(np.arange(256), None).inputs
    masked = prunus.prune(network, prunus.plan(network, rate=0.5, data=inputs), data=inputs)
    tuned = prunus.finetune(
        masked, Augmented(train), epochs=epochs, distill=True, batch_size=64, learning_rate=0.002
    )
    return Path(prunus.compact(tuned).save(folder / "pruned").model)


def exported(model: Path, engine: str, test: Path, train: Path, output: Path) -> dict[str, Any]:
    """What `prunus export` says of the files that it writes."""
    report = output.with_suffix(".json")
    line = (
        f"export --model {model} --to {engine} --int8 --data {test} --train-data {train} "
        f"--metric top-1 --output {output} --json"
    )
    with report.open("w") as stream:
        kept = os.dup(1)
        os.dup2(stream.fileno(), 1)
        try:
            code = run(line.split())
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
    assert code == 0, report.read_text()
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def shares(engine: str, network: Network, files: list[Written]) -> list[tuple[float, float]]:
    """Milliseconds of each file, and its time over that of the first, medians of turns."""
    import time

    host, sample = start(), random_inputs(network.model, 1, 0)
    with ExitStack() as stack:
        ready: list[Running] = []
        for one in files:
            running = host.call(
                Engine, engine, "prunus_open", network=network, files=one, threads=THREADS
            )
            stack.callback(running.close)
            ready.append(running)
        turns = []
        for _ in range(TURNS):
            times = []
            for running in ready:
                begin = time.perf_counter()
                running.run(sample)
                times.append((time.perf_counter() - begin) * 1e3)
            turns.append(times)
    seen = np.array(turns[20:])
    middle, relative = np.median(seen, axis=0), np.median(seen / seen[:, :1], axis=0)
    return list(zip(middle.tolist(), relative.tolist(), strict=True))


def written(engine: str, output: Path, model: Path, kind: str) -> Written:
    """The files of one form."""
    stem = model.stem + (".int8" if kind == "int8" else "")
    if engine == "openvino":
        return Written(output / f"{stem}.xml", output / f"{stem}.bin")
    return Written(output / f"{stem}.onnx", None)


def main(epochs: float) -> None:
    """The table."""
    path = SHARED / "models/onnx/resnet20_cifar10.onnx"
    network, rows = read(path), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        test, train = samples(folder, network)
        models = {"original": path, "pruned at 0.5": pruned(network, epochs, folder)}
        for engine in ENGINES:
            files, cells = [], []
            for state, model in models.items():
                output = folder / f"{engine}-{state.partition(' ')[0]}"
                stages = exported(model, engine, test, train, output)["stages"][1:]
                for kind, stage in zip(("float", "int8"), stages, strict=True):
                    files.append(written(engine, output, model, kind))
                    accuracy = f"{stage['metric']['value']:.2%}"
                    cells.append((engine, f"{state}, {kind}", accuracy, f"{stage['bytes']:,}"))
                    print(cells[-1], flush=True)
            for cell, (ms, share) in zip(cells, shares(engine, network, files), strict=True):
                rows.append((*cell, f"{ms:.3f}", f"{share:.2f}"))
    write_section(
        "From the float original to pruned int8, in two engines (int8.py)",
        ("engine", "ResNet-20", "top-1", "bytes", "ms", "time, original float = 1"),
        rows,
        f"{TESTED:,} test images, one at a time; pruned at rate 0.5, {epochs:g} epochs on 10,000 "
        f"training images, distilled; {CALIBRATION} training images choose the ranges. "
        f"{THREADS} threads, medians of {TURNS - 20} turns, on a machine of two processors with "
        f"{os.getloadavg()[2]:.1f} processes on them.",
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
