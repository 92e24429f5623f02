"""Documentation that cannot drift: generated pages are current, shown commands exist."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest

from prunus.cli import COMMANDS, cli

ROOT = Path(__file__).parents[1]
GENERATED = runpy.run_path(str(ROOT / "docs/generate.py"), run_name="docs")["PAGES"]


@pytest.mark.parametrize("page", GENERATED)
def test_generated_pages_are_current(page):
    stored = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert stored == GENERATED[page](), "run: python docs/generate.py"


def shown_commands():
    """``prunus …`` lines of code blocks."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"```\n(.*?)```", path.read_text(encoding="utf-8"), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("prunus ") and line.split()[1] in COMMANDS:
                    yield pytest.param(line.split("#")[0], id=f"{path.name}: {line[:60]}")


@pytest.mark.parametrize("line", list(shown_commands()))
def test_shown_commands_exist(line):
    name, *arguments = shlex.split(line)[1:]
    with click.Context(cli, info_name="prunus") as group:
        command = cli.get_command(group, name)
        parameters = command.get_params(click.Context(command))
        known = {option for parameter in parameters for option in parameter.opts}
    used = [argument for argument in arguments if argument.startswith("--")]
    assert set(used) <= known


def test_readme_shows_both_commands_and_links_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_every_exit_code_is_documented():
    import prunus.errors

    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    for error in vars(prunus.errors).values():
        if isinstance(error, type) and issubclass(error, Exception):
            assert f"| {error.exit_code} |" in page
