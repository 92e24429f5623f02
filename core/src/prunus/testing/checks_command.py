"""Conformance of commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from prunus.cli import COMMANDS, plugin_commands
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import HEAVY


def command_checks(name: str, expected_failures: ExpectedFailures | None = None) -> list[Check]:
    """Everything a command of a plugin promises (docs/reference/entry-points.md).

    Args:
        name: As in ``prunus NAME``.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
    """
    bodies: list[tuple[str, Callable[[], None]]] = [
        ("has-one-owner", lambda: check_owner(name)),
        ("is-a-click-command", lambda: check_command(name)),
        ("shows-its-help", lambda: check_help(name)),
        ("refuses-an-unknown-option", lambda: check_option(name)),
        ("imports-cheaply", lambda: check_cheap_import(name)),
    ]
    return named_checks(name, bodies, expected_failures)


def check_owner(name: str) -> None:
    """One distribution offers it, and it is no command of prunus itself."""
    points = plugin_commands.offered().get(name, [])
    assert points, f"no installed distribution offers the command '{name}'"
    said = plugin_commands.clash(name, points, core=name in COMMANDS)
    assert said is None, said


def check_command(name: str) -> None:
    """It can be imported, and says in one line what it does."""
    command = plugin_commands.load(name, plugin_commands.offered()[name])
    assert command.get_short_help_str(), f"{name}: the command has no help"


def check_help(name: str) -> None:
    """``prunus NAME --help`` prints it."""
    done = _run(name, "--help")
    assert done.returncode == 0, f"prunus {name} --help fails: {done.stderr.strip()}"
    assert done.stdout.startswith(f"Usage: prunus {name}"), f"{name}: odd help: {done.stdout[:80]}"


def check_option(name: str) -> None:
    """An option it does not have is an error of one line, exit 2."""
    done = _run(name, "--no-such-option")
    assert done.returncode == 2, f"prunus {name} --no-such-option exits with {done.returncode}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1, f"{name}: an unknown option gives several lines: {done.stderr}"


def check_cheap_import(name: str) -> None:
    """``prunus NAME --help`` imports no framework."""
    script = (
        "import sys\nfrom prunus.cli import run\n"
        "run(['ana', '--help'])\n"  # what a command of prunus imports does not count
        "before = set(sys.modules)\n"
        f"run([{name!r}, '--help'])\n"
        f"print(*sorted(set({HEAVY!r}) & (set(sys.modules) - before)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = done.stderr.strip()
    assert not heavy, f"prunus {name} --help imports {heavy}; import it inside functions"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prunus", *arguments], capture_output=True, text=True, check=False
    )
