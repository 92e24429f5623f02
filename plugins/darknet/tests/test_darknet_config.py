from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import PrunusError
from prunus.settings import Settings
from prunus_darknet.config import read_config

# as in the guide of vai_p_darknet
GUIDE = """[pruning]
workspace=pruning
datacfg = pruning/voc.data
modelcfg=pruning/yolov3-voc.cfg
prunedcfg=pruning/prune.cfg
ana_out_file=pruning/ana.txt
prune_out_weights=pruning/weights.out
criteria=0
kernel_batch=2
ignore_layer=80,81, 92,93,104,105
yolov3=1
threshold=0.008
gpus=0,1
"""
SHORT = "[pruning]\nworkspace=w\nmodelcfg=m.cfg\n"


def config(tmp_path: Path, text: str) -> Settings | None:
    path = tmp_path / "cfg"
    path.write_text(text)
    return read_config(path)


def error(tmp_path: Path, text: str) -> str:
    with pytest.raises(PrunusError) as caught:
        config(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path}/cfg:")


def test_the_guides_example(tmp_path: Path) -> None:
    assert config(tmp_path, GUIDE) == Settings(
        model=Path("pruning/yolov3-voc.cfg"),
        workspace=Path("pruning"),
        data="pruning/voc.data",
        threshold=0.008,
        multiple=2,
        exclude=("80", "81", "92", "93", "104", "105"),
        legacy_count=True,
        analysis_file="ana.txt",
        options={
            "prunedcfg": "prune.cfg",
            "prune_out_weights": "weights.out",
            "datacfg": "pruning/voc.data",
        },
        notes=(
            "criteria=0: what vai_p_darknet meant by it was never documented; "
            "the default criterion is taken, choose with --criterion",
            "gpus=0,1: analysis and pruning run on the CPU",
        ),
    )


def test_defaults(tmp_path: Path) -> None:
    assert config(tmp_path, SHORT) == Settings(
        model=Path("m.cfg"),
        workspace=Path("w"),
        threshold=0.005,
        legacy_count=True,
        analysis_file="ana.out",
    )


def test_an_unknown_key_is_a_note(tmp_path: Path) -> None:
    found = config(tmp_path, SHORT + "is_yolov3=1\nyolo_v3v4=1\n\ncolour=red\n")
    assert found is not None
    assert found.notes == (f"{tmp_path}/cfg:7: key 'colour' is not known and has no effect",)


def test_other_files_are_not_ours(tmp_path: Path) -> None:
    for text in ("[net]\nwidth=1\n", "", "# [pruning]\n", "workspace: 'x'\n", "\0\1"):
        assert config(tmp_path, text) is None
    assert read_config(tmp_path / "missing") is None
    assert read_config(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pruning]\nworkspace=w\n", "1: expected modelcfg= in [pruning], found none"),
        ("#\n[pruning]\nmodelcfg=m\n", "2: expected workspace= in [pruning], found none"),
        (SHORT + "threshold=much\n", "4: threshold=much: expected a number from 0"),
        (SHORT + "threshold=-1\n", "4: threshold=-1: expected a number from 0"),
        (SHORT + "threshold=inf\n", "4: threshold=inf: expected a number from 0"),
        (SHORT + "kernel_batch=0\n", "4: kernel_batch=0: expected a whole number from 1"),
        (SHORT + "kernel_batch=²\n", "4: kernel_batch=Â²: expected a whole number from 1"),
        (
            SHORT + "ignore_layer=1,two\n",
            "4: ignore_layer=1,two: expected layer numbers parted by commas",
        ),
        (SHORT + "treshold=1\n", "4: unknown key 'treshold'; did you mean 'threshold'?"),
        (
            SHORT + "ignore_layers=1\n",
            "4: unknown key 'ignore_layers'; did you mean 'ignore_layer'?",
        ),
        (
            SHORT + "[more]\nthreshold=1\n",
            "4: [more]: a pruning cfg has one section, [pruning]",
        ),
        (SHORT + "prunedcfg=..\n", "4: prunedcfg=..: expected a file name"),
        (SHORT + "what\n", "4: expected key=value, [section] or a comment: 'what'"),
    ],
)
def test_values_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    assert error(tmp_path, text) == message
