"""A fast part of the zoo; all of it: benchmarks/darknet_zoo.py."""

from __future__ import annotations

import pytest

from prunus.errors import ModelError
from prunus.network import Source
from prunus.testing import cut
from prunus_darknet.cfg import read_cfg
from prunus_darknet.read import load
from prunus_darknet.testing.compare import compare_with_darknet, random_input
from prunus_darknet.testing.opencv import compare_with_opencv
from prunus_darknet.testing.pruning import (
    compare_compact_with_darknet,
    compare_compact_with_opencv,
    written,
)
from prunus_darknet.testing.random_weights import small, write_random_weights

ALEXEYAB_HEADER = b"\0\0\0\0\2\0\0\0\5\0\0\0" + bytes(8)
NAMES = [
    "yolov3-tiny",
    "darknet19",
    "resnet18",
    "resnext50",
    "yolov1-tiny",
    "yolov2",
    "cifar",
    "tiny",
]


def reduced(path, tmp_path, side=64, header=None):
    cfg = small(read_cfg(path), side)
    model, weights = tmp_path / path.name, tmp_path / "random.weights"
    model.write_bytes(cfg.text.encode("latin-1"))
    if header is None:
        write_random_weights(cfg, weights, 0)
    else:
        write_random_weights(cfg, weights, 0, header)
    return model, weights


@pytest.mark.darknet
@pytest.mark.parametrize("name", NAMES)
def test_whole_and_pruned_networks_equal_darknet(name, cfg_folder, tmp_path):
    model, weights = reduced(cfg_folder / f"{name}.cfg", tmp_path)
    network = load(Source(model, weights))
    whole = compare_with_darknet(network, model, weights)
    assert whole.error <= 1e-4, whole
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out")
    data = random_input(network.origin.structure.input, 1)
    difference = compare_compact_with_darknet(pruned, files, data)
    assert difference.compared == whole.compared
    assert difference.error <= 1e-4, difference
    assert files.weights.stat().st_size < 0.5 * weights.stat().st_size


@pytest.mark.darknet
@pytest.mark.parametrize(("name", "kind"), [("rnn", "rnn"), ("rnn.train", "rnn"), ("gru", "gru")])
def test_recurrent_networks_are_refused(name, kind, cfg_folder, tmp_path):
    with pytest.raises(ModelError, match=rf"\[{kind}\] is recurrent; prunus reads feed-forward"):
        load(Source(cfg_folder / f"{name}.cfg", None, {"structure_only": "1"}))


@pytest.mark.darknet
def test_yolov3_protects_its_heads(cfg_folder):
    network = load(Source(cfg_folder / "yolov3-tiny.cfg", None, {"structure_only": "1"}))
    assert network.frozen == {
        "15:convolutional": "feeds yolo layer 16",
        "22:convolutional": "feeds yolo layer 23",
    }
    reasons = {item.layer: item.reason for item in cut(network, 0.5).grouping.protected}
    assert reasons == dict(network.frozen)


@pytest.mark.opencv
@pytest.mark.shared
@pytest.mark.parametrize("name", ["yolov4-tiny", "yolov4"])
def test_alexeyab_networks_equal_opencv(name, shared_models, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    path = shared_models / f"zoo/darknet-cfg/{name}.cfg"
    model, weights = reduced(path, tmp_path, 64, ALEXEYAB_HEADER)
    assert load(Source(model, weights)).origin.dialect.normalization == "alexeyab"
    network = load(Source(model, weights, {"normalization": "opencv"}))
    whole = compare_with_opencv(network, model, weights)
    assert whole.error <= 1e-4, whole
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out")
    data = random_input(network.origin.structure.input, 1)
    difference = compare_compact_with_opencv(pruned, files, data)
    assert difference.error <= 1e-4, difference


@pytest.mark.opencv
@pytest.mark.shared
@pytest.mark.parametrize("name", ["yolo-fastest-1.0", "mbv2-yolo-fastest-voc", "yololite-trial3"])
def test_trained_networks_equal_opencv(name, shared_models, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    folder = shared_models / "darknet" / name
    (model,), (weights,) = folder.glob("*.cfg"), folder.glob("*.weights")
    network = load(Source(model, weights, {"normalization": "opencv"}))
    whole = compare_with_opencv(network, model, weights)
    assert whole.error <= 1e-4, whole
    pruned = cut(network, 0.3)
    files = written(pruned, tmp_path / "out")
    data = random_input(network.origin.structure.input, 1)
    assert compare_compact_with_opencv(pruned, files, data).error <= 1e-4


@pytest.mark.darknet
@pytest.mark.shared
def test_trained_pjreddie_network_equals_darknet(shared_models, darknet):
    folder = shared_models / "darknet/yololite-trial3"
    (model,), (weights,) = folder.glob("*.cfg"), folder.glob("*.weights")
    assert compare_with_darknet(load(Source(model, weights)), model, weights).error <= 1e-4
