"""Tables and the console they are printed on: texts as they are, lines that end between words."""

from __future__ import annotations

import os
import re
from typing import Any

from rich.console import Console, JustifyMethod
from rich.containers import Lines
from rich.table import Table
from rich.text import Text

from prunus.printable import printable


class Cell(Text):
    """Text whose lines end between words, and within a long name at its own signs."""

    def wrap(self, console: Console, width: int, **options: Any) -> Lines:
        """Lines of at most so many characters."""
        return Text(_divided(self.plain, width)).wrap(console, width, **options)


def _divided(text: str, width: int) -> str:
    """Text with a line break in every word that is too long, after ``/``, ``_``, ``.`` or ``+``."""
    words = []
    for word in text.split(" "):
        lines = [""]
        for piece in re.split(r"(?<=[/_.+])", word):
            if len(lines[-1]) + len(piece) > width:
                lines.append("")
            lines[-1] += piece
        words.append("\n".join(filter(None, lines)))
    return " ".join(words)


class PlainTable(Table):
    """Cells are text as it is: no markup, nothing that steers a terminal."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(Cell(printable(str(cell))) for cell in cells), **options)


class PlainConsole(Console):
    """Lets a broken pipe out as it is; rich itself would end the program."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled."""
        raise


def new_console() -> Console:
    """For stdout: the terminal's width, or room enough where nobody's eyes set a limit."""
    plain = PlainConsole(highlight=False, markup=False)
    return plain if plain.is_terminal else PlainConsole(highlight=False, markup=False, width=160)


def new_table(*columns: str) -> Table:
    """Columns ending in ``>`` are right-aligned numbers, which are never broken."""
    style = "" if os.environ.get("NO_COLOR") else "bold"
    table = PlainTable(box=None, pad_edge=False, header_style=style)
    for column in columns:
        right = column.endswith(">")
        justify: JustifyMethod = "right" if right else "left"
        head = Text(printable(column.rstrip(">")))
        table.add_column(head, justify=justify, overflow="fold", no_wrap=right)
    return table
