from __future__ import annotations

from types import SimpleNamespace

import click
import pytest

from prunus import cli, host
from prunus.errors import (
    DataError,
    ModelError,
    PlanError,
    PluginError,
    ProofError,
    PrunusError,
    StaleError,
    UsageError,
)
from prunus.graph.shapes import shapes_with


def ends(monkeypatch, capsys, error, *arguments):
    def fail(**_):
        raise error

    monkeypatch.setattr(cli.cli, "main", fail)
    return cli.run(["stat", *arguments]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PrunusError("x: y"), 1, "error: x: y"),
        (UsageError("x"), 2, "error: x"),
        (ModelError("x"), 3, "error: x"),
        (DataError("x"), 4, "error: x"),
        (PluginError("x"), 5, "error: x"),
        (PlanError("x"), 6, "error: x"),
        (StaleError("x"), 7, "error: x"),
        (ProofError("x"), 8, "error: x"),
        (ModelError("two\n  lines"), 3, "error: two lines"),
        (click.UsageError("no such option"), 2, "error: no such option"),
        (OSError(28, "No space left on device", "ws/x"), 1, "error: ws/x: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (ValueError("odd\nthing"), 70, "error: internal: ValueError: odd thing; see --verbose"),
    ],
)
def test_every_error_is_one_line_and_a_code(monkeypatch, capsys, error, code, line):
    assert ends(monkeypatch, capsys, error) == (code, f"{line}\n")


SAMPLES = """
class Samples:
    def read(self, positions):
        return positions["first"]

    def count(self):
        return shapes_with(None, {})
"""


@pytest.mark.parametrize(
    ("call", "code", "line"),
    [
        (lambda samples: samples.read({}), 5, "acme 1.0 failed in Samples.read: KeyError: 'first'; see --verbose, and report it to its authors"),
        (lambda samples: samples.count(), 70, "internal: AttributeError: 'NoneType' object has no attribute 'ir_version'; see --verbose"),
    ],
)  # fmt: skip
def test_an_error_that_arose_in_code_of_a_plugin_names_its_distribution(
    monkeypatch, capsys, call, code, line
):
    """Nobody knows the owner of a value that a plugin made, such as a data set; its code tells."""
    module = {"__name__": "acme_data.samples", "shapes_with": shapes_with}
    exec(SAMPLES, module)
    acme = SimpleNamespace(name="acme", version="1.0")
    point = SimpleNamespace(module="acme_data.plugin", dist=acme)
    monkeypatch.setattr(host, "entry_points", lambda group: [point])
    with pytest.raises(Exception) as error:  # noqa: PT011  the line tells it
        call(module["Samples"]())
    assert ends(monkeypatch, capsys, error.value) == (code, f"error: {line}\n")


def test_verbose_shows_the_traceback(monkeypatch, capsys):
    with pytest.raises(ModelError, match="x"):
        ends(monkeypatch, capsys, ModelError("x"), "--verbose")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["transfrom"], "error: no command 'transfrom'; did you mean 'transform'?"),
        (["xyz"], "error: no command 'xyz'; see 'prunus --help'"),
        (["stat", "--modle", "x"], "error: no option '--modle'; did you mean '--model'?"),
        (["stat", "--qqqq", "x"], "error: no option '--qqqq'; see --help"),
        (["ana", "--samples", "0"], "error: Invalid value for '--samples': 0 is not in the range x>=1."),
        (["run", "--rates", "0.5,0.2"], "error: --rates 0.5,0.2: growing shares between 0 and 1"),
        (["run", "--rates", "20,40"], "error: --rates 20,40: growing shares between 0 and 1; did you mean 0.2,0.4?"),
        (["prune", "--rate", "half"], "error: Invalid value for '--rate': 'half' is not a number; write 0.5 or 50%."),
        (["run", "--rates", "a"], "error: --rates a: a comma list of numbers"),
        (["ana", "--ratios", "0.5,1"], "error: --ratios 0.5,1: every ratio lies between 0 and 1"),
        (["ana", "--ratios", ","], "error: --ratios ,: a comma list of numbers"),
    ],
)  # fmt: skip
def test_command_lines_that_are_none(monkeypatch, capsys, arguments, line):
    monkeypatch.setenv("PRUNUS_PLUGINS", "")
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == line


def test_help_and_version(capsys):
    assert cli.run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in cli.COMMANDS)
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("prunus, version ")


def test_commands_do_not_hide_the_function_that_runs_them(capsys):
    for command in cli.COMMANDS:
        assert cli.run([command, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: prunus {command} ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["prune", "--seed", "-1"], "'--seed': -1 is not in the range x>=0."),
        (["finetune", "--seed", "-1"], "'--seed': -1 is not in the range x>=0."),
        (["finetune", "--epochs", "0"], "'--epochs': 0.0 is not in the range x>0."),
        (["finetune", "--learning-rate", "-1"], "'--learning-rate': -1.0 is not in the range x>0."),
    ],
)
def test_numbers_out_of_range(monkeypatch, capsys, arguments, line):
    monkeypatch.setenv("PRUNUS_PLUGINS", "")
    assert cli.run(arguments) == 2
    assert capsys.readouterr().err == f"error: Invalid value for {line}\n"


def test_no_command_at_all_shows_the_four_steps(capsys):
    assert cli.run([]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == "prunus makes trained networks smaller, in their own framework's files."
    assert [line.split()[1] for line in lines if line.startswith("  prunus ")] == [
        "ana", "prune", "finetune", "transform"
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("words", "position", "answer"),
    [
        ("prunus transf", "1", "plain,transform\n"),
        ("prunus prune --ra", "2", "plain,--rate\n"),
        ("prunus ana --analysis ex", "3", "plain,exact\n"),
    ],
)
def test_a_shell_completes_commands_and_options(monkeypatch, capsys, words, position, answer):
    monkeypatch.setenv(cli.COMPLETION, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", position)
    assert cli.run([]) == 0
    assert capsys.readouterr() == (answer, "")
