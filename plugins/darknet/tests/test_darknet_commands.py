"""``prunus darknet map``, ``valid`` and ``stat``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunus.cli import run
from prunus.network import Source
from prunus_darknet.boxes.detections import Detector
from prunus_darknet.cfg import read_cfg
from prunus_darknet.commands.result_files import COCO_IDS
from prunus_darknet.datasets.images import load_image
from prunus_darknet.read import load
from prunus_darknet.testing.random_weights import write_random_weights

CFG = """[net]
batch=1
width=64
height=48
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=8
pad=1
activation=leaky
[convolutional]
filters=16
size=1
stride=1
activation=linear
[yolo]
mask=0,1
anchors=12,9, 20,30
classes=3
num=2
"""
CLASSIFIER = CFG.split("[yolo]")[0] + "[avgpool]\n[softmax]\n"
DATA = "classes=3\nvalid=valid.txt\nnames=names\n"
NAMES = ("cat", "dog", "bird")
FILES = ("--model", "net.cfg", "--weights", "net.weights")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A detector of random weights, and images labelled with what it is surest of."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("net.cfg").write_text(CFG)
    Path("classifier.cfg").write_text(CLASSIFIER)
    for name in ("net", "classifier"):
        write_random_weights(read_cfg(Path(f"{name}.cfg")), Path(f"{name}.weights"), 3)
    for folder in ("images", "labels"):
        Path(folder).mkdir()
    detector = Detector(load(Source(Path("net.cfg"), Path("net.weights"))))
    paths = [Path(f"images/p_{number:03}.png") for number in range(6)]
    for number, path in enumerate(paths):
        size = (70, 33) if number % 2 else (40, 61)
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(path)
        found = detector.look(load_image(path, 3, ""))
        rows = [
            f"{one.chosen} {(one.left + one.right) / 2 / size[0]} {(one.top + one.bottom) / 2 / size[1]} "
            f"{(one.right - one.left) / size[0]} {(one.bottom - one.top) / size[1]}\n"
            for one in found[:6]
            if one.chosen != 2
        ]
        Path("labels", f"{path.stem}.txt").write_text("".join(rows))
    Path("valid.txt").write_text("".join(f"{path}\n" for path in paths))
    Path("names").write_text("\n".join(NAMES))
    Path("x.data").write_text(DATA)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Stdout, or the one line of an error."""
    found = run([*arguments])
    captured = capsys.readouterr()
    assert found == code, captured.err
    return captured.out if code == 0 else captured.err.strip().removeprefix("error: ")


def test_map_tells_every_class(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("darknet", "map", *FILES, "--data", "x.data")
    text = said(capsys, *asked)
    table = json.loads(said(capsys, *asked, "--json"))
    rows = table["classes"]
    assert [row["name"] for row in rows] == list(NAMES)
    assert rows[2]["value"] is None
    assert rows[2]["truths"] == 0
    assert rows[2]["detections"] > 0
    assert table["samples"] == 6
    assert table["value"] == pytest.approx((rows[0]["value"] + rows[1]["value"]) / 2)
    assert table["value"] > 0.9
    first, *lines, last = text.splitlines()
    assert first.split() == ["class", "true", "boxes", "detections", "map"]
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert lines[2].endswith("no true box")
    assert last == f"map {table['value']:.4f} on 6 images"


@pytest.mark.parametrize("metric", ["map", "map-coco", "map50-coco"])
def test_map_is_what_eval_measures(
    here: Path, capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    asked = (*FILES, "--data", "x.data", "--metric", metric, "--json")
    table = json.loads(said(capsys, "darknet", "map", *asked))
    report = json.loads(said(capsys, "eval", *asked))
    assert report["metric"] == table["metric"] == metric
    assert report["stages"][0]["metric"]["value"] == table["value"] > 0.5


def test_pruning_cfg_and_nameless_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.data").write_text("valid=valid.txt\n")
    Path("cfg").write_text("[pruning]\nworkspace=w\ndatacfg=x.data\nmodelcfg=net.cfg\n")
    asked = ("darknet", "map", "--config", "cfg", "--weights", "net.weights", "--json")
    table = json.loads(said(capsys, *asked))
    assert [row["name"] for row in table["classes"]] == ["0", "1", "2"]
    counts = json.loads(said(capsys, "darknet", "stat", "--config", "cfg", "--json"))
    assert counts["macs"] == 8 * 6 * (8 * 27 + 16 * 8)
    assert counts["operations"] == 2 * counts["macs"] + 8 * 6 * (8 + 16)
    same = json.loads(said(capsys, "stat", "--config", "cfg", "--weights", "net.weights", "--json"))
    assert same["operations"] == counts["operations"]
    plain = json.loads(said(capsys, "stat", *FILES, "--json"))
    assert plain["operations"] is None
    line = "17,664 operations as the legacy tools count them (convolutions alone, 2 a MAC and 1 a bias)"
    text = said(capsys, "darknet", "stat", "--model", "net.cfg")
    assert f"{counts['operations']:,}{line[6:]}" in text.splitlines()


@pytest.mark.darknet
def test_result_files_are_darknets(
    here: Path, darknet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = shutil.which("darknet")
    if program is None:
        pytest.skip("the darknet program is not installed (Debian package darknet)")
    Path("results").mkdir()
    command = [program, "detector", "valid", "x.data", "net.cfg", "net.weights"]
    subprocess.run(command, check=True, capture_output=True)
    text = said(capsys, "darknet", "valid", *FILES, "--data", "x.data", "--output", "ours")
    total = 0
    for name in NAMES:
        theirs = sorted_lines(Path("results", f"comp4_det_test_{name}.txt"))
        mine = sorted_lines(Path("ours", f"comp4_det_test_{name}.txt"))
        assert [row[0] for row in mine] == [row[0] for row in theirs]
        numbers = [np.array([row[1:] for row in rows], float) for rows in (mine, theirs)]
        np.testing.assert_allclose(*numbers, atol=2e-3)
        total += len(mine)
    assert text == f"{total} detections in 6 images\n"
    assert total > 100


def sorted_lines(path: Path) -> list[list[str]]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row[0], -float(row[1])))


def test_coco_results(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "darknet", "valid", *FILES, "--data", "x.data", "--out", "voc_")
    Path("x.data").write_text(DATA + "eval=coco\n")
    told = json.loads(said(capsys, "darknet", "valid", *FILES, "--data", "x.data", "--json"))
    assert told["files"] == ["results/coco_results.json"]
    assert told["kind"] == "coco"
    entries = json.loads(Path("results/coco_results.json").read_text())
    assert len(entries) == told["detections"] > 100
    dogs = [row for row in entries if row["category_id"] == COCO_IDS[1] and row["image_id"] == 4]
    lines = [row.split() for row in Path("results/voc_dog.txt").read_text().splitlines()]
    corners = [[float(value) for value in row[1:]] for row in lines if row[0] == "p_004"]
    assert len(corners) == len(dogs)
    width, height = Image.open("images/p_004.png").size
    for entry, (score, left, top, right, bottom) in zip(dogs, corners, strict=True):
        assert entry["score"] == score
        x, y, w, h = entry["bbox"]
        assert (x, y) == pytest.approx((left - 1, top - 1), abs=2e-6)
        if right < width and bottom < height:
            assert (x + w + 1, y + h + 1) == pytest.approx((right, bottom), abs=4e-6)
        assert x + w <= width + 1e-5
        assert y + h <= height + 1e-5


def test_cocos_numbers_of_classes() -> None:
    assert len(COCO_IDS) == 80
    assert (COCO_IDS[0], COCO_IDS[11], COCO_IDS[79]) == (1, 13, 90)


VALID = ("darknet", "valid", *FILES, "--data", "x.data")
MAP = ("darknet", "map", *FILES, "--data", "x.data")


def test_no_box_layer(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("--model", "classifier.cfg", "--weights", "classifier.weights", "--data", "x.data")
    assert said(capsys, "darknet", "map", *files, code=2) == (
        "metric map needs boxes; this network has no [yolo], [region] or [detection] layer"
    )
    assert said(capsys, "darknet", "valid", *files, code=2) == (
        "detecting needs boxes; this network has no [yolo], [region] or [detection] layer"
    )


def test_no_data(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "darknet", "map", *FILES, code=4) == (
        "no images to measure on: give --data FILE.data"
    )
    np.savez("x.npz", x=np.zeros((2, 3, 48, 64), np.float32))
    assert said(capsys, "darknet", "valid", *FILES, "--data", "x.npz", code=4) == (
        "valid reads the images of a Darknet .data file; give --data FILE.data"
    )


def test_no_weights(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "darknet", "map", "--model", "net.cfg", "--data", "x.data", code=3) == (
        "net.cfg: a Darknet cfg holds no weights; give the weights file with --weights"
    )


def test_labels_that_are_no_boxes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = np.zeros((2, 3, 48, 64), np.float32)
    np.savez("x.npz", x=samples)
    asked = ("darknet", "map", *FILES, "--data", "x.npz")
    assert said(capsys, *asked, code=4) == (
        "metric map needs boxes (class, centre x, centre y, width, height); "
        "the data set has no labels, use --metric fidelity"
    )
    np.savez("x.npz", x=samples, y=np.zeros(2, np.int64))
    assert said(capsys, *asked, code=4) == (
        "metric map needs boxes (class, centre x, centre y, width, height); "
        "its labels are none, use --metric fidelity"
    )


def test_missing_and_empty_label_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in Path("labels").iterdir():
        path.write_text("")
    assert said(capsys, *MAP, code=4) == (
        "metric map: no true box in any of the samples; "
        "label files lie in labels/ where the images lie in images/"
    )
    Path("labels/p_001.txt").unlink()
    assert said(capsys, *MAP, code=4) == (
        "valid.txt:2: label file labels/p_001.txt not found from the current directory; "
        "an image without objects has an empty one"
    )
    said(capsys, *VALID)  # needs no labels


def test_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("names").write_text("cat\ndog\n")
    short = "x.data:3: names holds 2 names, the network knows 3 classes"
    assert said(capsys, *VALID, code=4) == short
    assert said(capsys, *MAP, code=4) == short
    Path("names").write_text("cat\ndog/wolf\nbird\n")
    assert said(capsys, *VALID, code=4) == (
        "x.data: names=: 'dog/wolf' cannot name a file of its own; every class gets one"
    )
    Path("names").unlink()
    assert said(capsys, *VALID, code=4) == (
        "x.data:3: names=names: no such file from the current directory"
    )
    Path("x.data").write_text("classes=3\nvalid=valid.txt\n")
    assert said(capsys, *VALID, code=4) == "x.data: no names= line; it names a file"
    assert not list(Path().glob("results/*"))


def test_what_results_cannot_be(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.data").write_text(DATA + "eval=imagenet\n")
    assert said(capsys, *VALID, code=4) == (
        "x.data:4: eval=imagenet: results are written as voc or coco"
    )
    Path("x.data").write_text(DATA + "eval=coco\n")
    shutil.copy("images/p_000.png", "images/scene.png")
    Path("valid.txt").write_text("images/p_000.png\nimages/scene.png\n")
    assert said(capsys, *VALID, code=4) == (
        "valid.txt:2: images/scene.png has no number in its name; COCO's results go by number"
    )
    assert not list(Path("results").iterdir())


def test_results_that_cannot_be_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("results").write_text("")
    assert said(capsys, *VALID, code=1) == "results: cannot make the directory (File exists)"
