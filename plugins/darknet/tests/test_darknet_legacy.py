"""The ``[pruning]`` cfg of vai_p_darknet through all four steps, with generated images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunus.cli import run
from prunus_darknet.cfg import read_cfg
from prunus_darknet.testing.random_weights import write_random_weights

pytest.importorskip("prunus_torch")

NET = (
    "[net]\nbatch=8\nsubdivisions=1\nwidth=16\nheight=16\nchannels=3\nlearning_rate=0.02\n"
    "max_batches=12\nsaturation=1.2\nexposure=1.2\nhue=.02\nmin_crop=16\nmax_crop=20\n"
)
CONV = "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
LAST = "[convolutional]\nfilters={}\nsize=1\nstride=1\nactivation=linear\n"
CLASSIFIER = (
    NET + CONV + CONV + "[dropout]\nprobability=.2\n" + LAST.format(2) + "[avgpool]\n[softmax]\n"
)
DETECTOR = (
    NET.replace("=0.02", "=0.001")
    + CONV
    + CONV
    + LAST.format(14)
    + "[yolo]\nmask=0,1\nanchors=4,4, 6,6\nnum=2\nclasses=2\njitter=.1\n"
)
PRUNING = (
    "[pruning]\nworkspace=w\ndatacfg=set/x.data\nmodelcfg=tiny.cfg\ncriteria=0\nthreshold={}\n"
)
NAMES = ("red", "blue")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory: vai_p_darknet's paths are relative to it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    return tmp_path


def squares(root: Path, sizes: dict[str, int]) -> None:
    """Images with one coloured square, its box, and its colour in the name."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    rng = np.random.default_rng(0)
    for split, count in sizes.items():
        lines = []
        for index in range(count):
            kind, side = index % 2, int(rng.integers(5, 9))
            x, y = rng.integers(0, 16 - side, 2)
            pixels = rng.integers(0, 60, (16, 16, 3)).astype(np.uint8)
            pixels[y : y + side, x : x + side] = 0
            pixels[y : y + side, x : x + side, 2 * kind] = 250
            name = f"{split}{index}_{NAMES[kind]}"
            Image.fromarray(pixels).save(root / f"images/{name}.png")
            box = ((x + side / 2) / 16, (y + side / 2) / 16, side / 16, side / 16)
            (root / f"labels/{name}.txt").write_text(f"{kind} " + " ".join(map(str, box)))
            lines.append(f"images/{name}.png\n")
        (root / f"{split}.txt").write_text("".join(lines))
    (root / "names").write_text("\n".join(NAMES))
    (root / "x.data").write_text(
        "classes=2\ntrain=train.txt\nvalid=valid.txt\nnames=names\nbackup=backup\n"
    )


def prepare(cfg: str, pruning: str) -> None:
    squares(Path("set"), {"train": 32, "valid": 16})
    Path("tiny.cfg").write_text(cfg)
    write_random_weights(read_cfg(Path("tiny.cfg")), Path("tiny.weights"), 0)
    Path("cfg").write_text(pruning)


def steps(verbs: Sequence[str], capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    said = {}
    for verb in verbs:
        weights = [] if verb == "transform" else ["--weights", "tiny.weights"]
        code = run([verb, "--config", "cfg", *weights])
        captured = capsys.readouterr()
        said[verb] = captured.out + captured.err
        assert code == 0, said[verb]
    return said.__getitem__


ALL = ("ana", "prune", "finetune", "transform")


def test_classifier(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(CLASSIFIER, PRUNING.format("0.2"))
    said = steps(ALL, capsys)
    assert "top-1 of the whole network" in said("ana")
    assert "criteria=0: what vai_p_darknet meant by it" in said("prune")
    assert "proof: written files equal the masked network" in said("transform")
    assert Path("w/ana.out").is_file()
    (round_folder,) = Path("w").glob("threshold_*")
    assert (round_folder / "weights.prune").is_file()
    assert (round_folder / "tiny-prune.cfg").is_file()
    assert (round_folder / "snapshots/tiny_iter_12.weights").is_file()
    assert Path("w/transformed/model-transform.cfg").is_file()
    small = Path("w/transformed/model-transform.weights").stat().st_size
    assert small < Path("tiny.weights").stat().st_size


def test_data_names_the_training_images_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(CLASSIFIER, "")
    net = ("--model", "tiny.cfg", "--weights", "tiny.weights", "--workspace", "w")
    data = ("--data", "set/x.data")
    assert run(["prune", *net, "--rate", "0.3"]) == 0
    capsys.readouterr()
    assert run(["finetune", *net]) == 4
    assert capsys.readouterr().err == "error: no training samples: give --train-data\n"
    assert run(["finetune", *net, *data, "--iterations", "2"]) == 0
    assert "finetuned" in capsys.readouterr().out
    # remembered, from any directory
    assert run(["prune", *net, *data, "--rate", "0.3"]) == 0
    assert run(["finetune", "--workspace", "w", "--iterations", "2"]) == 0


def test_detector_with_names_and_ignored_layers(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "yolov3=1\nignore_layer=0\nprunedcfg=p.cfg\nana_out_file=a.txt\nprune_out_weights=p.w\n"
    prepare(DETECTOR, PRUNING.format("0.4") + more)
    said = steps(ALL, capsys)
    assert "0:convolutional " not in said("ana")
    assert "proof: written files equal the masked network" in said("transform")
    assert Path("w/a.txt").is_file()
    (round_folder,) = Path("w").glob("threshold_*")
    assert (round_folder / "p.w").is_file()
    filters = [
        section.integer("filters", 0)
        for section in read_cfg(round_folder / "p.cfg").layers
        if section.has("filters")
    ]
    assert filters[0] == 16
    assert filters[1] < 16
    assert filters[2] == 14


def test_errors_of_the_data_are_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(CLASSIFIER, PRUNING.format("0.2"))
    Path("set/valid.txt").unlink()
    assert run(["ana", "--config", "cfg", "--weights", "tiny.weights"]) == 4
    assert capsys.readouterr().err.strip() == (
        "error: cfg: data: set/x.data:3: valid=valid.txt: no such file, neither from the current directory "
        "nor from set"
    )
