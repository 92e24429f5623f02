"""The pages of the tutorial show the code that is tested, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHOWN = re.compile(r"<!-- (?P<file>\S+) -->\n```\w*\n(?P<code>.*?)```\n", re.S)
PAGES = [p for p in sorted((ROOT / "docs").rglob("*.md")) if SHOWN.search(p.read_text("utf-8"))]


def current(page: str) -> str:
    """A page with every included file as it is now."""

    def included(found: re.Match[str]) -> str:
        file = found["file"]
        language = {".py": "python", ".toml": "toml"}[Path(file).suffix]
        return f"<!-- {file} -->\n```{language}\n{(ROOT / file).read_text('utf-8')}```\n"

    return SHOWN.sub(included, page)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_shown_code_is_the_tested_code(path):
    page = path.read_text("utf-8")
    assert page == current(page), "copy the files into the page: python tests/test_tutorial.py"


def test_the_format_tutorial_shows_a_package():
    page = (ROOT / "docs/tutorial/write-a-format.md").read_text("utf-8")
    shown = {Path(found["file"]).name for found in SHOWN.finditer(page)}
    assert {"pyproject.toml", "plugin.py", "read.py", "write.py", "settings.py"} <= shown


def test_the_example_imports_only_the_door():
    imported = set()
    for path in (ROOT / "examples/toy_format").rglob("*.py"):
        imported |= set(
            re.findall(r"(?:from|import) (prunus(?:\.\w+)*)\b", path.read_text("utf-8"))
        )
    assert imported <= {"prunus.plugin", "prunus.testing", "prunus.testing.command_line"}


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(current(page.read_text("utf-8")), encoding="utf-8")
