"""The engine ncnn: its own files as they are, other networks through its converter ``pnnx``."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from prunus.plugin import ModelError, Running, UsageError, Written, infer_shapes
from prunus_ncnn.profile import steps

_SHORTER = (
    "use_fp16_packed use_fp16_storage use_fp16_arithmetic use_bf16_storage use_bf16_packed"
).split()
"""Options by which it would compute in fewer digits than the files have."""

_INPUT, _OUTPUT = "in{}", "out{}"
"""Names that pnnx gives to inputs and outputs, in the order of the graph's."""


def convert(network, files, directory):
    """A ``.param`` and a ``.bin`` in float32; what pnnx writes beside them is left behind."""
    if network.format == "ncnn":
        return files
    work = directory / "pnnx"
    work.mkdir()
    source = work / "net.onnx"  # it changes signs in the names of what it writes
    shutil.copyfile(files.model, source)
    done = subprocess.run(
        [_program(), source.name, "fp16=0"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    made = [work / "net.ncnn.param", work / "net.ncnn.bin"]
    if done.returncode or not all(path.exists() for path in made):
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ModelError(f"pnnx cannot convert the network: {' '.join(said)}")
    param, weights = (path.rename(directory / f"{files.model.stem}{path.suffix}") for path in made)
    return Written(param, weights)


def load(network, files, threads):
    """A net that computes in float32."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for option in _SHORTER:
        setattr(net.opt, option, False)
    if net.load_param(str(files.model)) or net.load_model(str(files.weights)):
        raise ModelError(f"ncnn refuses the network: it cannot read {files.model.name}")
    inputs, outputs = _blobs(network)
    shapes = infer_shapes(network.model)

    def started(sample):
        extractor = net.create_extractor()
        for name, blob in inputs.items():
            # a copy: an extractor reads what it was given when it computes
            extractor.input(blob, ncnn.Mat(np.ascontiguousarray(sample[name][0])).clone())
        return extractor

    def run(sample):
        extractor, found = started(sample), {}
        for name, blob in outputs.items():
            code, mat = extractor.extract(blob)
            if code:
                raise ModelError(f"ncnn cannot compute '{name}'")
            found[name] = _shaped(np.array(mat), shapes.get(name))
        return found

    return Running(run, steps=lambda sample: steps(net, started, network, sample))


def _blobs(network):
    """Graph input, and graph output -> its blob."""
    graph = network.model.graph
    inputs = [value.name for value in graph.inputs]
    outputs = [value.name for value in graph.outputs]
    if network.format == "ncnn":
        made = {}  # value -> the first blob that holds it
        for blob, value in network.origin.values.items():
            made.setdefault(value, blob)
        return {name: made.get(name, name) for name in inputs}, {
            name: made[name] for name in outputs
        }
    return (
        {name: _INPUT.format(index) for index, name in enumerate(inputs)},
        {name: _OUTPUT.format(index) for index, name in enumerate(outputs)},
    )


def _shaped(array, shape):
    """An answer with its batch, and with axes of size 1 that ncnn leaves out."""
    fits = shape is not None and np.prod(shape) == array.size
    return array.reshape(shape) if fits else array[None]


def _program():
    """The converter of pip's package ``pnnx``; importing that would import torch."""
    package = find_spec("pnnx")
    for folder in package.submodule_search_locations if package is not None else ():
        for name in ("pnnx", "pnnx.exe"):
            if (Path(folder) / name).is_file():
                return str(Path(folder) / name)
    raise UsageError("networks of other formats go to ncnn through its converter: pip install pnnx")
