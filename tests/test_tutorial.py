"""The pages of the tutorial show the code that is tested, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import prunus.testing
from prunus.plugin import Source
from prunus.testing import Examples, Unknown, format_checks

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


KINDS = {
    "tutorial/write-a-criterion.md": "criterion.py pyproject.toml",
    "how-to/write-an-allocation.md": "allocation.py",
    "how-to/write-a-metric.md": "metric.py",
    "how-to/write-a-sharing.md": "sharing.py",
    "how-to/write-an-analysis.md": "analysis.py",
    "how-to/write-a-command.md": "command.py",
}


@pytest.mark.parametrize("page", KINDS)
def test_pages_on_methods_show_the_tested_modules_and_every_check(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    shown = {Path(found["file"]).name for found in SHOWN.finditer(text)}
    assert shown == set(KINDS[page].split())
    ((call, name),) = re.findall(r"parametrize\(\"check\", (\w+_checks)\(\"([\w-]+)\"\)", text)
    for check in getattr(prunus.testing, call)(name):
        assert f"`{check.name.removeprefix(f'{name}-')}`" in text, check


def test_the_format_tutorial_shows_a_package():
    page = (ROOT / "docs/tutorial/write-a-format.md").read_text("utf-8")
    shown = {Path(found["file"]).name for found in SHOWN.finditer(page)}
    assert {"pyproject.toml", "plugin.py", "read.py", "write.py", "settings.py"} <= shown


def test_the_format_tutorial_lists_every_check():
    page = (ROOT / "docs/tutorial/write-a-format.md").read_text("utf-8")
    source = Source(Path("net.toy"))
    every = Examples((source.model,), ((source, "x"),), (object,), (("data", "x"),))
    checks = format_checks("toy", [source], Unknown(source, ()), examples=every)
    missing = [c.name for c in checks if f"`{short(c.name)}`" not in page]
    assert missing == []


def short(name: str) -> str:
    """Name of a check without its format and its sample."""
    return name.removeprefix("toy-").partition("[")[0]


@pytest.mark.parametrize("package", ["toy_format", "methods", "plugins/prunus-ncnn"])
def test_the_examples_import_only_the_door(package):
    imported = set()
    for path in (ROOT / "examples" / package).rglob("*.py"):
        imported |= set(
            re.findall(r"(?:from|import) (prunus(?:\.\w+)*)\b", path.read_text("utf-8"))
        )
    assert imported <= {
        "prunus",
        "prunus.plugin",
        "prunus.testing",
        "prunus.testing.command_line",
        "prunus.testing.nets",
    }


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(current(page.read_text("utf-8")), encoding="utf-8")
