"""Layer types the Caffe wheel lacks, against OpenCV DNN where it has them, else by formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.network import Compact, Destination, Source
from prunus_caffe.read import load
from prunus_caffe.testing import opencv_outputs, relative_error
from prunus_caffe.write import write

HEAD = 'input: "x" input_dim: 1 input_dim: 6 input_dim: 9 input_dim: 7\n'
CASES = {
    "relu6": 'type: "ReLU6"',
    "normalize": 'type: "Normalize" norm_param { across_spatial: false channel_shared: false }',
    "normalize-shared": 'type: "Normalize" norm_param { across_spatial: false channel_shared: true }',
    "normalize-across": 'type: "Normalize" norm_param { across_spatial: true channel_shared: true }',
    "depthwise": 'type: "ConvolutionDepthwise" convolution_param { num_output: 6 kernel_size: 3 group: 6 }',
    "shuffle": 'type: "ShuffleChannel" shuffle_channel_param { group: 3 }',
    "permute": 'type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }',
}


def sample() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5)
    return {"x": (draw.standard_normal((1, 6, 9, 7)) * 5).astype(np.float32)}


def network_of(folder: Path, layer: str):
    model = folder / "net.prototxt"
    model.write_text(f'{HEAD}layer {{ name: "a" bottom: "x" top: "y" {layer} }}\n')
    return model, load(Source(model, None, {"weights": "random"}))


@pytest.mark.opencv
@pytest.mark.parametrize("name", CASES)
def test_layer_equals_opencv(name: str, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    model, network = network_of(tmp_path, CASES[name])
    written = write(network, Compact(network.model, {}), Destination(tmp_path, "masked"))
    assert written.weights is not None
    theirs = opencv_outputs(model, written.weights, sample(), ["a"])["a"]
    ours = Session(network.model).run(sample())["y"]
    assert relative_error(ours, theirs) <= 1e-5


def test_upsample_repeats_numbers(tmp_path: Path) -> None:
    _, network = network_of(tmp_path, 'type: "Upsample" upsample_param { scale: 2 }')
    ours = Session(network.model).run(sample())["y"]
    assert np.array_equal(ours, sample()["x"].repeat(2, 2).repeat(2, 3))


@pytest.mark.parametrize(
    ("param", "sizes"),
    [
        ("height: 20 width: 13", (20, 13)),
        ("zoom_factor: 2", (17, 13)),
        ("shrink_factor: 2", (5, 4)),
        ("shrink_factor: 2 zoom_factor: 3", (13, 10)),
    ],
)
def test_interp_is_bilinear_with_aligned_corners(param: str, sizes, tmp_path: Path) -> None:
    _, network = network_of(tmp_path, f'type: "Interp" interp_param {{ {param} }}')
    ours = Session(network.model).run(sample())["y"]
    x = sample()["x"]
    for axis, size in enumerate(sizes, 2):
        place = np.linspace(0, x.shape[axis] - 1, size)
        low = np.minimum(place.astype(int), x.shape[axis] - 2)
        part = np.expand_dims(place - low, [a for a in range(4) if a != axis])
        x = x.take(low, axis) * (1 - part) + x.take(low + 1, axis) * part
    assert ours.shape[2:] == sizes
    assert relative_error(ours, x.astype(np.float32)) <= 1e-5
