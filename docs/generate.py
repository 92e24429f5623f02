"""Write the pages of docs/reference that are read off the code: `python docs/generate.py`.

tests/test_docs.py fails when a page is not what this writes.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import click
from docstrings import markdown
from layers_page import layers_page
from plugin_page import plugin_page, python_page, testing_page

from prunus import hookspecs
from prunus.cli import COMMANDS, cli

REFERENCE = Path(__file__).parent / "reference"
PARTS = Path(__file__).parent / "parts"


def command_page() -> str:
    """Help of every command of the core."""
    parts = ["# Command line\n\nWritten by `python docs/generate.py`.\n"]
    with cli.make_context("prunus", ["ana"], resilient_parsing=True) as group:
        for name in COMMANDS:
            command = cli.get_command(group, name)
            assert command is not None
            with click.Context(
                command, info_name=name, parent=group, terminal_width=100
            ) as context:
                context.max_content_width = 100
                parts.append(f"## prunus {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def hook_page() -> str:
    """Signature and docstring of every hook, and the fields of a format that act."""
    parts = [
        "# Hooks\n\nProject name `prunus`; written by `python docs/generate.py`. "
        "Types are those of [`prunus.plugin`](plugin.md).\n"
    ]
    for name, spec in vars(hookspecs).items():
        if name.startswith("prunus_"):
            signature = str(inspect.signature(spec)).replace("'", "")
            parts.append(
                f"## {name}\n\n```python\n{name}{signature}\n```\n\n"
                f"{markdown(inspect.getdoc(spec) or '')}"
            )
    parts.append((PARTS / "format-fields.md").read_text(encoding="utf-8"))
    return "\n".join(parts)


PAGES = {
    "cli.md": command_page,
    "hooks.md": hook_page,
    "layers.md": layers_page,
    "plugin.md": plugin_page,
    "python.md": python_page,
    "testing.md": testing_page,
}


if __name__ == "__main__":
    for page, write in PAGES.items():
        (REFERENCE / page).write_text(write(), encoding="utf-8")
