"""Real networks: the neutral graph, and half of it pruned, against real Caffe or OpenCV.

A part of benchmarks/caffe_zoo.py, which has them all.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Source
from prunus.selection import choose_units
from prunus_caffe.plain import plain_text
from prunus_caffe.read import load
from prunus_caffe.testing import CaffeJob, opencv_outputs, relative_error, run_caffe
from prunus_caffe.write import write

pytestmark = pytest.mark.shared
TRAINED = {
    "cifar10_quick/cifar10_quick": {}, "lenet/lenet": {}, "mtcnn/det1": {}, "mtcnn/det2": {},
    "mtcnn/det3": {}, "slim320/slim-320": {}, "wechat_sr/sr": {},
    "lenet/lenet_train_test": {"input-shape": "1x28x28"},
    "cifar10_quick/cifar10_quick_train_test": {"input-shape": "data:3x32x32"},
}  # fmt: skip
ZOO = (
    "bvlc_googlenet/train_val", "mobilenet/mobilenet_v2_deploy", "mobilenet-ssd/deploy",
    "mobilenet-ssd/train", "senet/SE-ResNet-50", "shufflenet/shufflenet_1x_g3_deploy",
    "squeezenet_v1.1/train_val",
)  # fmt: skip


def halved(network: Network) -> tuple[Network, Compact, bool]:
    grouping = find_groups(network)
    draw = np.random.default_rng(0)
    keep = {g.name: choose_units(g, draw.random(g.size), g.size // 2) for g in grouping.groups}
    masked = mask(network, grouping, keep)
    return masked, compact(masked, grouping, keep), all(g.exact for g in grouping.groups)


def names_of(network: Network) -> tuple[str, ...]:
    """Outputs, and what feeds a last Softmax, which may be saturated."""
    names = []
    for value in network.model.graph.outputs:
        names.append(value.name)
        if value.producer().op_type == "Softmax":
            names.append(value.producer().inputs[0].name)
    return tuple(name for name in names if "@" not in name)


def close(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], limit: float) -> None:
    for name, array in ours.items():
        assert array.shape == theirs[name].shape
        assert relative_error(array, theirs[name]) <= limit


def jobs_of(
    network: Network, masked: Network, small: Compact, folder: Path, options: dict[str, str]
):
    """Whole, masked and compact files as real Caffe runs them; the compact ones loaded again."""
    jobs, inputs = [], random_inputs(network.model, 1, 0)
    again = network
    for stage, given in (("whole", network), ("masked", masked), ("compact", masked)):
        (folder / stage).mkdir()
        form = "compact" if stage == "compact" else "masked"
        written = write(given, small, Destination(folder / stage, form))
        if stage == "compact":
            again = load(Source(written.model, written.weights, options))
        text = folder / f"{stage}.prototxt"
        text.write_text(plain_text(again), errors="surrogateescape")
        jobs.append(CaffeJob(text, written.weights, inputs, names_of(network)))
    return jobs, again


def compare(network: Network, folder: Path, options: dict[str, str], run) -> None:
    masked, small, exact = halved(network)
    jobs, again = jobs_of(network, masked, small, folder, options)
    whole, sparse, compacted = run(jobs)
    names, inputs = names_of(network), dict(jobs[0].inputs)
    close(Session(network.model, names).run(inputs), whole, 1e-4)
    close(Session(masked.model, names).run(inputs), sparse, 1e-4)
    close(Session(again.model, names).run(inputs), compacted, 1e-4)
    if exact:  # LRN across channels moves its windows
        close(sparse, compacted, 1e-5)
    before = network.origin.net.path.read_bytes().split(b"\n")
    after = again.origin.net.path.read_bytes().split(b"\n")
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert changed
    assert all(b"num_output" in line or b"group" in line for line in changed)


@pytest.mark.caffe
@pytest.mark.parametrize("name", TRAINED)
def test_trained_networks_in_real_caffe(
    name: str, shared: Path, caffe: str, tmp_path: Path
) -> None:
    model = shared / "models" / "caffe" / f"{name}.prototxt"
    stem = model.stem.removesuffix("_train_test")
    weights = next(iter(model.parent.glob(f"{stem}*.caffemodel")))
    network = load(Source(model, weights, TRAINED[name]))
    (tmp_path / "same").mkdir()
    written = write(network, Compact(network.model, {}), Destination(tmp_path / "same", "compact"))
    assert written.model.read_bytes() == model.read_bytes()
    assert written.weights.read_bytes() == weights.read_bytes()
    compare(network, tmp_path, TRAINED[name], lambda jobs: run_caffe(jobs, caffe))


@pytest.mark.caffe
@pytest.mark.parametrize("name", ZOO)
def test_zoo_structures_in_real_caffe(name: str, shared: Path, caffe: str, tmp_path: Path) -> None:
    model = shared / "models" / "zoo" / "caffe" / f"{name}.prototxt"
    network = load(Source(model, None, {"weights": "random"}))
    compare(network, tmp_path, {}, lambda jobs: run_caffe(jobs, caffe))


@pytest.mark.opencv
def test_ssd_300_head_tensors_in_opencv(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    model = shared / "models" / "zoo" / "caffe" / "ssd-vgg16-300" / "deploy.prototxt"
    network = load(Source(model, None, {"weights": "random"}))
    assert names_of(network) == ("mbox_loc", "mbox_conf_flatten")
    compare(
        network, tmp_path, {},
        lambda jobs: [opencv_outputs(j.model, j.weights, j.inputs, j.outputs) for j in jobs],
    )  # fmt: skip


def test_every_structure_of_the_zoo_loads(shared: Path) -> None:
    sizes = {"lenet": "1x28x28", "cifar10": "3x32x32"}
    files = [f for f in (shared / "models/zoo/caffe").rglob("*.prototxt") if "solver" not in f.name]
    large = ("vgg16", "alexnet", "caffenet", "ResNet-101", "inception")
    small = [f for f in files if not any(word in str(f) for word in large)]
    for model in small:
        shape = sizes.get(model.parent.name) if "train" in model.name else None
        options = {"weights": "random"} | ({"input-shape": shape} if shape else {})
        network = load(Source(model, None, options))
        assert network.model.graph.outputs
        assert not [note for note in network.notes if "stays as it is" in note]
