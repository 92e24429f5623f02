"""Layers without a finite answer for a removed channel, judged by real Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.folding import fold
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Compact, Destination, Source
from prunus_caffe.read import load
from prunus_caffe.testing import CaffeJob, run_caffe
from prunus_caffe.write import write


def layer(name: str, kind: str, bottom: str, param: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {param} }}\n'


def conv(name: str, bottom: str, count: int) -> str:
    param = f"convolution_param {{ num_output: {count} kernel_size: 3 pad: 1 }}"
    return layer(name, "Convolution", bottom, param)


ABS = layer("a", "AbsVal", "c1")
KEPT = {
    "inverse": layer("m", "Power", "c1", "power_param { power: -1 }"),
    "inverse_root": ABS + layer("m", "Power", "a", "power_param { power: -0.5 }"),
    "logarithm": ABS + layer("m", "Log", "a"),
    "variance_without_eps": layer("m", "MVN", "c1", "mvn_param { eps: 0 }"),
}
REMOVED = {
    "shifted_inverse": ABS + layer("m", "Power", "a", "power_param { power: -1 shift: 1 }"),
    "shifted_logarithm": ABS + layer("m", "Log", "a", "log_param { shift: 1 }"),
    "variance": layer("m", "MVN", "c1"),
    "batch_statistics": layer("m", "BatchNorm", "c1", "batch_norm_param { use_global_stats: false }"),
    "lrn_within": layer("m", "LRN", "c1", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }"),
    "inverse_power": layer("e", "Exp", "c1") + layer("m", "Power", "e", "power_param { power: -1 }"),
}  # fmt: skip


@pytest.mark.caffe
@pytest.mark.parametrize("name", [*KEPT, *REMOVED])
def test_masked_networks_are_finite_and_equal_in_caffe(tmp_path: Path, caffe: str, name: str):
    middle = (KEPT | REMOVED)[name]
    whole = conv("c1", "data", 12) + middle + conv("c2", "m", 8) + conv("y", "c2", 4)
    model = tmp_path / "net.prototxt"
    model.write_text('input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n' + whole)
    drawn = load(Source(model, None, {"weights": "random"}))
    whole_weights = write(drawn, Compact(drawn.model, {}), Destination(tmp_path, "masked")).weights
    network = load(Source(model, whole_weights))
    grouping = find_groups(network)
    assert [g.name for g in grouping.groups] == (["c2"] if name in KEPT else ["c1", "c2"])
    keep = {g.name: np.arange(g.size) % 2 == 0 for g in grouping.groups}
    masked = mask(fold(network, grouping, keep, None), grouping, keep)
    data = {"data": np.random.default_rng(0).standard_normal((3, 3, 8, 8)).astype(np.float32)}
    jobs = []
    for stage in ("masked", "compact"):
        directory = tmp_path / stage
        directory.mkdir()
        files = write(masked, compact(masked, grouping, keep), Destination(directory, stage))
        jobs.append(CaffeJob(files.model, files.weights, data))
    first, second = (found["y"] for found in run_caffe(jobs, caffe))
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() <= 1e-5 * np.abs(first).max()
