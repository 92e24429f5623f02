"""The config.prototxt of decent_p, read unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError, UsageError
from prunus_caffe.config import read_config
from prunus_caffe.decent_p import translate_and_run, translated

CONFIG = """workspace: "examples/decent_p/"
gpu: "0,1,2,3"
test_iter: 100
acc_name: "top-1"
model: "examples/decent_p/float.prototxt"
#weights: "examples/decent_p/float.caffemodel"
weights: "examples/decent_p/regular_rate_0.1/_iter_10000.caffemodel"
solver: "examples/decent_p/solver.prototxt"
# change rate from 0.1 to 0.2
#rate: 0.1
rate: 0.2
pruner {
method: REGULAR
exclude { layer_top: "conv1" layer_top: "conv2" }
}
"""


def config(tmp_path, text):
    path = tmp_path / "config.prototxt"
    path.write_text(text)
    return path


def test_published_form(tmp_path):
    settings = read_config(config(tmp_path, CONFIG))
    assert settings.workspace == Path("examples/decent_p")
    assert settings.model == Path("examples/decent_p/float.prototxt")
    assert settings.weights == Path("examples/decent_p/regular_rate_0.1/_iter_10000.caffemodel")
    assert settings.solver == Path("examples/decent_p/solver.prototxt")
    assert (settings.rate, settings.batches, settings.metric) == (0.2, 100, "top-1")
    assert settings.exclude == ("conv1", "conv2")
    assert settings.notes == (
        "gpu 0,1,2,3: the CPU is used; 'finetune --device cuda' trains on a GPU",
    )


@pytest.mark.parametrize("text", ["", "layer { name: 'x' }", "net: 'a' base_lr: 1", "model = 'x'"])
def test_other_files_are_left_to_others(tmp_path, text):
    assert read_config(config(tmp_path, text)) is None


@pytest.mark.parametrize(
    ("old", "new", "kind", "message"),
    [
        (
            "rate: 0.2\n",
            "rate: lots\n",
            UsageError,
            ":11: expected a number above 0 to below 1 for 'rate', found 'lots'",
        ),
        (
            "test_iter: 100",
            "test_iter: 0",
            UsageError,
            ":3: expected a whole number from 1 for 'test_iter', found '0'",
        ),
        (
            'layer_top: "conv2"',
            'layer_topx: "conv2"',
            UsageError,
            ":14: unknown key 'layer_topx' in 'exclude'; did you mean 'layer_top'?",
        ),
        (
            'layer_top: "conv2"',
            'names: "conv2"',
            UsageError,
            ":14: unknown key 'names' in 'exclude'; it holds layer_top",
        ),
        (
            "exclude {",
            "excludes {",
            UsageError,
            ":14: unknown key 'excludes' in 'pruner'; did you mean 'exclude'?",
        ),
        (
            "pruner {",
            "prunner {",
            UsageError,
            ":12: unknown key 'prunner'; did you mean 'pruner'?",
        ),
        (
            "test_iter",
            "test_itr",
            UsageError,
            ":3: unknown key 'test_itr'; did you mean 'test_iter'?",
        ),
        (
            'exclude { layer_top: "conv1" layer_top: "conv2" }',
            'exclude: "conv1"',
            UsageError,
            ":14: expected '{' after 'exclude', found '\"conv1\"'",
        ),
        (
            'workspace: "examples/decent_p/"',
            "workspace { }",
            UsageError,
            ":1: expected a value for 'workspace', found a block",
        ),
        (
            "rate: 0.2\n",
            "rate: inf\n",
            UsageError,
            ":11: expected a number above 0 to below 1 for 'rate', found 'inf'",
        ),
        ("REGULAR", "FAST", UsageError, ":13: method 'FAST' is not known; the only one is REGULAR"),
        ("model:", "#model:", UsageError, ": expected key 'model', found none"),
        (
            "pruner {",
            "pruner",
            ModelError,
            ":13: expected ':' or '{' after 'pruner', found 'method'",
        ),
    ],
)
def test_bad_values_name_file_and_line(tmp_path, old, new, kind, message):
    path = config(
        tmp_path,
        CONFIG.replace(old, new, 1)
        if old != "rate: 0.2\n"
        else CONFIG.replace("\nrate: 0.2\n", f"\n{new}"),
    )
    with pytest.raises(kind) as error:
        read_config(path)
    assert str(error.value) == f"{path}{message}"


def test_exclude_beside_the_pruner(tmp_path):
    settings = read_config(config(tmp_path, CONFIG + 'exclude { layer_top: "fc7" }\n'))
    assert settings.exclude == ("conv1", "conv2", "fc7")
    assert len(settings.notes) == 1


def test_snapshot_is_found_in_its_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Path("examples/decent_p/regular_rate_0.1")
    (place / "snapshots").mkdir(parents=True)
    (place / "snapshots/_iter_10000.caffemodel").touch()
    path = config(tmp_path, CONFIG)
    assert read_config(path).weights == place / "snapshots/_iter_10000.caffemodel"
    (place / "_iter_10000.caffemodel").touch()
    assert read_config(path).weights == place / "_iter_10000.caffemodel"


def test_unknown_key_is_noted(tmp_path):
    settings = read_config(config(tmp_path, CONFIG + "speed: 3\n"))
    assert settings.notes[0].endswith(":16: key 'speed' is not known and has no effect")


LENET = Path(__file__).parents[3] / "examples/lenet"


def test_python_in_acc_name_does_not_run_without_the_users_word(tmp_path, monkeypatch, capsys):
    """An exploit: the metric layer of a received configuration is a function."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = (LENET / "train_val.prototxt").read_text()
    start, end = text.index('layer {\n  name: "conv1"'), text.index('layer {\n  name: "accuracy"')
    (tmp_path / "net.prototxt").write_text(
        'input: "data" input_shape { dim: 1 dim: 1 dim: 28 dim: 28 }' + text[start:end]
    )
    (tmp_path / "smuggled.py").write_text("open('ran', 'w')\ndef f(predict): return 1.0\n")
    config(
        tmp_path,
        'workspace: "ws" rate: 0.3 acc_name: "smuggled:f" model: "net.prototxt"\n'
        f'weights: "{LENET / "lenet.caffemodel"}"\n'
        "pruner { method: REGULAR }",
    )
    for verb in ("ana", "prune", "finetune"):
        assert translate_and_run([verb, "-config", "config.prototxt"]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            "error: config.prototxt: metric = 'smuggled:f' runs Python, and only a file says so; "
            "if you trust it, give --allow-code or --metric smuggled:f"
        )
        assert not (tmp_path / "ran").exists()
    translate_and_run(["ana", "-config", "config.prototxt", "-allow-code"])
    assert (tmp_path / "ran").exists()


def test_spelling_of_decent_p():
    assert translated(["prune", "-config", "c"]) == ["prune", "--config", "c", "--best-effort"]
    assert translated(["transform", "-model", "m", "-weights=w"]) == [
        "transform", "--model", "m", "--weights=w", "--output", "."
    ]  # fmt: skip
    assert translated(["stat", "-model", "m"]) == [
        "stat",
        "--model",
        "m",
        "--vendor-count",
        "--option",
        "weights=random",
    ]


def test_a_name_that_is_too_long_is_left_to_the_core(tmp_path):
    shown = 'weights: "examples/decent_p/regular_rate_0.1/_iter_10000.caffemodel"'
    assert shown in CONFIG
    path = config(tmp_path, CONFIG.replace(shown, f'weights: "{"a" * 5000}"'))
    assert read_config(path).weights == Path("a" * 5000)
