from __future__ import annotations

import click
import pytest

from prunus import cli
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


def test_verbose_shows_the_traceback(monkeypatch, capsys):
    with pytest.raises(ModelError, match="x"):
        ends(monkeypatch, capsys, ModelError("x"), "--verbose")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["transfrom"], "error: no command 'transfrom'; did you mean 'transform'?"),
        (["xyz"], "error: no command 'xyz'; see 'prunus --help'"),
        (["stat", "--modle", "x"], "error: No such option '--modle'. Did you mean '--model'?"),
        (["ana", "--samples", "0"], "error: Invalid value for '--samples': 0 is not in the range x>=1."),
        (["run", "--rates", "0.5,0.2"], "error: --rates 0.5,0.2: growing shares between 0 and 1"),
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


def test_no_command_at_all_shows_the_help(capsys):
    assert cli.run([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: prunus [OPTIONS] COMMAND [ARGS]...\n")
