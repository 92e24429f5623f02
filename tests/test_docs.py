"""Documentation that cannot drift: generated pages are current, shown commands exist."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import attrs
import click
import pytest

import prunus
import prunus.plugin
import prunus.testing
from prunus.cli import COMMANDS, cli
from prunus.plugin import Format

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))  # as where the script is run
GENERATED = runpy.run_path(str(ROOT / "docs/generate.py"), run_name="docs")["PAGES"]
MEANINGS = runpy.run_path(str(ROOT / "docs/plugin_page.py"))["meanings"]


@pytest.mark.parametrize("page", GENERATED)
def test_generated_pages_are_current(page):
    stored = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert stored == GENERATED[page](), "run: python docs/generate.py"


def test_every_field_of_a_format_is_described():
    page = (ROOT / "docs/reference/hooks.md").read_text(encoding="utf-8")
    table = page.partition("## Fields of Format")[2]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", table, re.M)
    assert [name for name, _ in rows] == [field.name for field in attrs.fields(Format)]
    assert {cells.count("|") for _, cells in rows} == {3}


VALUES = [
    name
    for name in prunus.plugin.__all__
    if isinstance(getattr(prunus.plugin, name), type) and attrs.has(getattr(prunus.plugin, name))
]


@pytest.mark.parametrize("name", VALUES)
def test_every_attribute_of_a_public_value_is_described(name):
    value = getattr(prunus.plugin, name)
    described = {attribute for attribute, text in MEANINGS(value).items() if text}
    assert {field.name for field in attrs.fields(value)} - described == set()


@pytest.mark.parametrize("name", prunus.plugin.__all__)
def test_every_public_name_of_the_author_door_is_described(name):
    page = (ROOT / "docs/reference/plugin.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| \[`{name}`\]\(#\w+\) \| \S.* \|$", page, re.M)
    assert f"\n## {name}\n" in page


PRIVATE = {
    path.stem for path in (ROOT / "core/src/prunus").iterdir() if path.suffix in ("", ".py")
} - {"plugin", "testing", "__pycache__", *prunus.__all__}
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "plugins").glob("*/README.md"),
]


def private_names(text: str) -> list[str]:
    """Modules of the core in a text, apart from the three public ones."""
    return [name for name in re.findall(r"prunus\.(\w+)", text) if name in PRIVATE]


def test_a_private_name_is_seen():
    assert private_names("`prunus.trust`, prunus.plugin.run, prunus.load, prunus.toml") == ["trust"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_speak_of_public_modules_only(path):
    assert private_names(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("door", [prunus, prunus.plugin, prunus.testing], ids=lambda d: d.__name__)
def test_public_docstrings_speak_of_public_modules_only(door):
    found = {}
    for name in door.__all__:
        text = inspect.getdoc(getattr(door, name)) or ""
        if private_names(text):
            found[name] = private_names(text)
    assert found == {}


def fences(path: Path, *languages: str) -> list[str]:
    """Code blocks of a page in one of the languages; "" is a block that names none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)
    return [block for language, block in found if language in languages]


def shown_commands():
    """``prunus …`` lines of code blocks."""
    for path in PAGES:
        for block in fences(path, "", "bash", "console", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.removeprefix("$ ")
                if line.startswith("prunus ") and line.split()[1] in COMMANDS:
                    yield pytest.param(line.split(" #")[0], id=f"{path.name}: {line[:60]}")


@pytest.mark.parametrize("line", list(shown_commands()))
def test_shown_commands_are_understood(line):
    name, *arguments = shlex.split(line)[1:]
    with click.Context(cli, info_name="prunus") as group:
        command = cli.get_command(group, name)
        command.make_context(name, [one for one in arguments if one != "…"], parent=group)


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if path.parent.name != "reference"],  # signatures, no programs
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_shown_python_compiles(path):
    for block in fences(path, "python"):
        compile(block, str(path), "exec")


NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_compile_and_are_kept_without_outputs(path):
    """`make docs` runs them."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), str(path), "exec")
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_readme_is_one_screen_and_shows_both_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\nmake demo " in text
    assert "\nmake test " in text
    assert text.count("\n") <= 60


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if path.parent.name != "changes"],  # parts of CHANGELOG.md
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_lead_to_files(path):
    """`make docs` looks at headings, too."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_every_page_is_in_a_menu_of_the_site():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    menus = re.findall(r"```\{toctree\}.*?\n\n(.*?)```", text, re.S)
    shown = {line for menu in menus for line in menu.splitlines()}
    pages = {
        str(path.relative_to(ROOT / "docs").with_suffix(""))
        for path in (*(ROOT / "docs").glob("*/*.md"), *NOTEBOOKS)
        if path.parent.name not in ("changes", "parts")
    }
    assert pages - shown == set()


OURS = {"prunus"} | {f"prunus-{name}" for name in "caffe darknet engines tensorflow torch".split()}


def offers(table: str) -> dict[str, list[str]]:
    """Distribution -> its offers, of the table of ``prunus plugins``; long rows go on below."""
    rows: dict[str, str] = {}
    for line in table.splitlines():
        if line[:1].strip():
            distribution, _, rest = line.split(maxsplit=2)
            rows[distribution] = rest
        elif line.strip():
            rows[distribution] += f" {line.strip()}"
    return {name: [" ".join(one.split()) for one in row.split(",")] for name, row in rows.items()}


def test_the_page_of_plugins_shows_those_installed(capsys):
    assert prunus.plugin.run(["plugins"]) == 0
    installed = offers(capsys.readouterr().out.partition("\n")[2])
    (block,) = fences(ROOT / "docs/reference/plugins.md", "")
    shown = offers(block.partition("\n")[2])
    assert shown.keys() == OURS
    ours = installed.keys() & OURS
    assert {name: shown[name] for name in ours} == {name: installed[name] for name in ours}


def test_every_exit_code_is_documented():
    import prunus.errors

    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    for error in vars(prunus.errors).values():
        if isinstance(error, type) and issubclass(error, Exception):
            assert f"| {error.exit_code} |" in page
