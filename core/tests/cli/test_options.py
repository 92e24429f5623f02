from __future__ import annotations

from pathlib import Path

import pytest

from prunus.cli.options import read_config, settings_from, share_of
from prunus.descriptors import Format
from prunus.errors import UsageError
from prunus.host import Broken, Host
from prunus.settings import Settings

EMPTY = Host([])


def toml(path: Path, text: str) -> Settings:
    (path / "prunus.toml").write_text(text)
    return read_config(EMPTY, path / "prunus.toml")


def test_every_kind_of_value(tmp_path):
    (tmp_path / "samples").mkdir()
    found = toml(
        tmp_path,
        """
        model = "net.cfg"
        weights = "/elsewhere/net.weights"
        data = "samples:mean=1/2/3"
        rate = 0.5
        threshold = 1
        samples = 100
        metric = "module:function"
        exclude = ["conv1", "conv2"]
        [options]
        input-shape = "1x3x8x8"
        level = 3
        """,
    )
    assert found == Settings(
        model=tmp_path / "net.cfg",
        weights=Path("/elsewhere/net.weights"),
        data=f"{tmp_path / 'samples'}:mean=1/2/3",
        rate=0.5,
        threshold=1,
        samples=100,
        metric="module:function",
        exclude=("conv1", "conv2"),
        options={"input-shape": "1x3x8x8", "level": "3"},
    )


def test_data_that_is_no_file_beside_the_configuration_stays_as_it_is(tmp_path):
    assert toml(tmp_path, 'data = "module:function"').data == "module:function"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rat = 1", "unknown key 'rat'; did you mean 'rate'?; known: allocation, analysis_file, baseline, batches, bytes, criterion, data, density, engine, exclude, granularity, latency, max_loss, metric, model, multiple, options, params, rate, samples, seed, solver, threshold, train_data, trainer, weights, workspace"),
        ("notes = []", "unknown key 'notes'; known: "),
        ("model = 5", "model = 5: expected a path in quotes"),
        ('rate = "0.5"', "rate = '0.5': expected a number"),
        ("rate = true", "rate = True: expected a number"),
        ("multiple = 2.5", "multiple = 2.5: expected a whole number"),
        ("metric = 1", "metric = 1: expected text in quotes"),
        ('exclude = "conv1"', "exclude = 'conv1': expected a list of names"),
        ("options = 3", "options = 3: expected a table of names and values"),
        ('exclude = [["conv1"]]', "exclude: ['conv1']: expected a name or a number"),
        ("options = {shape = [1, 3]}", "shape: [1, 3]: expected a name or a number"),
        ("model = ", "Invalid value (at"),
    ],
)  # fmt: skip
def test_bad_toml(tmp_path, line, message):
    with pytest.raises(UsageError) as caught:
        toml(tmp_path, line)
    assert str(caught.value).startswith(f"{tmp_path / 'prunus.toml'}: {message}")


def test_the_command_line_wins_over_the_configuration(tmp_path):
    (tmp_path / "prunus.toml").write_text(
        'model = "net.onnx"\nrate = 0.5\nexclude = ["a"]\n[options]\nx = "1"\ny = "2"\n'
    )
    found = settings_from(
        EMPTY,
        config=tmp_path / "prunus.toml",
        model=None,
        rate=0.2,
        exclude=("b",),
        option=("y=3=4", "z="),
    )
    assert found.model == tmp_path / "net.onnx"
    assert found.rate == 0.2
    assert found.exclude == ("a", "b")
    assert found.options == {"x": "1", "y": "3=4", "z": ""}


def test_an_option_that_is_no_pair():
    with pytest.raises(UsageError) as caught:
        settings_from(EMPTY, option=("level",))
    assert str(caught.value) == "--option level: write NAME=VALUE"


def test_a_missing_configuration():
    with pytest.raises(UsageError) as caught:
        read_config(EMPTY, Path("no.toml"))
    assert str(caught.value) == "no.toml: no such file; check --config"


@pytest.mark.parametrize("name", ["model", "weights", "solver", "workspace"])
def test_names_that_no_file_can_have(tmp_path, name):
    long = tmp_path / ("a" * 5000)
    with pytest.raises(UsageError) as caught:
        toml(tmp_path, f'{name} = "{long}"')
    assert str(caught.value) == (
        f"{tmp_path / 'prunus.toml'}: {name} = '{long}': File name too long"
    )


class Vendor:
    """A format that reads files ending in .vendor."""

    def prunus_register(self):
        return (Format("vendor", "", lambda _: False, lambda path: Settings(rate=0.3) if path.suffix == ".vendor" else None),)  # fmt: skip


def test_formats_are_asked_for_their_own_files(tmp_path):
    host = Host([(Vendor(), "vendor 1")], (Broken("odd", "prunus-odd 1", "ImportError: x"),))
    for name in ("a.vendor", "b.prototxt"):
        (tmp_path / name).write_text("?")
    assert read_config(host, tmp_path / "a.vendor") == Settings(rate=0.3)
    with pytest.raises(UsageError) as caught:
        read_config(host, tmp_path / "b.prototxt")
    assert str(caught.value) == (
        f"{tmp_path / 'b.prototxt'}: not a configuration of an installed format (asked: vendor); "
        "plugin 'odd' of prunus-odd 1 failed to load: ImportError: x"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("samples = 0", "samples = 0: a whole number from 1"),
        ("seed = -1", "seed = -1: a whole number from 0"),
        ("multiple = 99999999999", "multiple = 99999999999: a whole number from 1"),
        ('criterion = "l3"', "unknown criterion 'l3'; there are: none"),
        ('metric = "a\\u0000"', "metric: holds a NUL character"),
        ("rate = " + "9" * 5000, "Exceeds the limit (4300 digits) for integer string conversion: "
         "value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit"),
        ("exclude = " + "[" * 10_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_values_that_an_option_would_refuse_are_refused_in_a_file(tmp_path, text, message):
    with pytest.raises(UsageError) as caught:
        toml(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/prunus.toml: {message}"


def test_a_message_about_a_setting_names_the_file_that_says_it(tmp_path):
    found = toml(tmp_path, "rate = 5")
    assert found.said("rate") == f"{tmp_path}/prunus.toml: rate"
    (tmp_path / "prunus.toml").write_text("rate = 5")
    again = settings_from(EMPTY, config=tmp_path / "prunus.toml", rate=2.0)
    assert again.said("rate") == "--rate"


def test_paths_of_settings_may_be_texts():
    found = settings_from(Host([]), model="net.onnx", workspace="work", weights=None)
    assert (found.model, found.workspace, found.weights) == (Path("net.onnx"), Path("work"), None)


@pytest.mark.parametrize(
    ("text", "share"), [("0.5", 0.5), ("50%", 0.5), (" 2.5 %", 0.025), ("1e-1", 0.1)]
)
def test_shares_may_be_percents(text, share):
    assert share_of(text) == share


def test_training_samples_of_a_configuration_lie_beside_it(tmp_path):
    (tmp_path / "train.npz").touch()
    (tmp_path / "p.toml").write_text('train_data = "train.npz:scale=0.5"')
    found = read_config(Host([]), tmp_path / "p.toml")
    assert found.train_data == f"{tmp_path / 'train.npz'}:scale=0.5"
