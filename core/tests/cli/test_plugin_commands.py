"""Commands of installed distributions: found by metadata, as pip leaves it."""

from __future__ import annotations

import json
import sys

import pytest

from prunus import __version__, cli
from prunus.testing.command_line import refused

GREETS = """
import click

@click.command()
def command():
    "Greet."
    click.echo("hello")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one command into a directory of the path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def install(distribution, command, code=GREETS):
        module = f"{distribution.replace('-', '_')}_module"
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[prunus.commands]\n{command} = {module}:command\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        return module

    return install


def test_a_command_is_listed_without_being_imported(install, capsys):
    module = install("hello", "greet")
    assert cli.run(["--help"]) == 0
    listed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "greet command of hello 1.0" in listed
    assert cli.run(["plugins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plugins"]["hello 1.0"] == ["command greet"]
    assert module not in sys.modules
    assert cli.run(["greet"]) == 0
    assert capsys.readouterr() == ("hello\n", "")


def test_two_owners_of_a_command_are_both_named(install, capsys):
    for distribution in ("hello", "goodbye"):
        install(distribution, "greet")
    said = "command 'greet' is offered by goodbye 1.0 and by hello 1.0; uninstall one of them"
    assert refused("greet") == (5, f"error: {said}")
    assert cli.run(["--help"]) == 0
    listed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "greet offered by goodbye 1.0 and by hello 1.0" in listed
    assert cli.run(["plugins", "--json"]) == 0
    broken = json.loads(capsys.readouterr().out)["broken"]
    for distribution in ("hello 1.0", "goodbye 1.0"):
        assert {"name": "greet", "distribution": distribution, "error": said} in broken


def test_a_command_of_prunus_itself_stays(install, capsys):
    install("hello", "methods")
    assert cli.run(["methods", "--json"]) == 0
    said = capsys.readouterr()
    assert "accuracy" in {row["name"] for row in json.loads(said.out)}
    line = "command 'methods' of hello 1.0 is not used: it is a command of prunus " + __version__
    assert said.err == f"note: {line}\n"
    assert cli.run(["--help"]) == 0
    assert "hello" not in capsys.readouterr().out
    assert cli.run(["plugins"]) == 0
    assert line in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (
            "import hammer_and_tongs",
            "failed to load: ModuleNotFoundError: No module named 'hammer_and_tongs'; install it "
            "again or uninstall it",
        ),
        (
            "raise SystemExit('no licence')",
            "failed to load: SystemExit: no licence; install it again or uninstall it",
        ),
        (
            "",
            "failed to load: AttributeError: module 'hello_module' has no attribute 'command'; "
            "install it again or uninstall it",
        ),
        (
            "def command(): ...",
            "cannot be used: hello_module:command is a 'function', not a click.Command",
        ),
    ],
)
def test_a_broken_command_is_one_line_that_names_its_distribution(install, code, line):
    install("hello", "greet", code)
    assert refused("greet") == (5, f"error: command 'greet' of hello 1.0 {line}")


FAILS = """
import click
from prunus.plugin import DataError

@click.command()
@click.argument("kind")
@click.option("--verbose", is_flag=True)
def command(kind, verbose):
    "Fail."
    raise {
        "defect": ZeroDivisionError("no\\nway"),
        "purpose": DataError("no images"),
        "system": OSError(28, "No space left on device", "out.txt"),
        "usage": click.UsageError("give a number"),
        "exit": click.exceptions.Exit(9),
    }[kind]
"""


def test_a_defect_of_a_command_names_its_distribution(install, capsys):
    install("hello", "greet", FAILS)
    said = (
        "command 'greet' of hello 1.0 failed in prunus greet: ZeroDivisionError: no way; see "
        "--verbose, and report it to its authors"
    )
    assert refused("greet", "defect") == (5, f"error: {said}")
    assert refused("greet", "purpose") == (4, "error: no images")
    assert refused("greet", "system") == (1, "error: out.txt: No space left on device")
    assert refused("greet", "usage") == (2, "error: give a number")
    assert cli.run(["greet", "exit"]) == 9
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        cli.main(["greet", "defect", "--verbose"])
    lines = capsys.readouterr().err.splitlines()
    assert stop.value.code == 5
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == f"prunus.errors.PluginCrashError: {said}"


def test_a_broken_command_stops_no_other(install, capsys):
    install("hello", "greet", "import hammer_and_tongs")
    for arguments in (["--help"], ["plugins"], ["methods"]):
        assert cli.run(arguments) == 0
    assert "hammer" not in capsys.readouterr().err
