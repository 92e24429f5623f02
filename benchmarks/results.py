"""Tables of the benchmarks, kept in RESULTS.md, one section a script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def write_section(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], text: str = ""
) -> None:
    """Print a table; it replaces the section of the same title."""
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(row) for row in rows]
    section = f"## {title}\n\n" + (f"{text}\n\n" if text else "")
    section += "\n".join(f"| {line} |" for line in lines) + "\n"
    print(section)
    stored = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Measurements\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.M | re.S)
    if pattern.search(stored):
        stored = pattern.sub(lambda _: section + "\n", stored)
    else:
        stored = stored.rstrip() + "\n\n" + section
    RESULTS.write_text(stored.rstrip() + "\n", encoding="utf-8")


def write_rows(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], keys: int, text: str = ""
) -> None:
    """Write rows into a section; they replace those whose first ``keys`` cells are the same."""
    stored = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", stored, re.M | re.S)
    lines = re.findall(r"^\| (.*) \|$", section[1], re.M)[2:] if section else []
    merged = {tuple(line.split(" | ")[:keys]): line.split(" | ") for line in lines}
    merged |= {tuple(row[:keys]): list(row) for row in rows}
    write_section(title, header, list(merged.values()), text)
