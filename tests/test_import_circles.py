"""No module imports itself through others, at once or inside a function.

An import inside a function is for import time (``prunus --help`` loads no framework), never for
hiding a circle. So all imports count; those for type checkers alone do not, and a module name that
stands in the text for a later import (``prunus.plugin``) does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = (
    "core",
    "plugins/caffe",
    "plugins/darknet",
    "plugins/tensorflow",
    "plugins/torch",
)

Graph = Mapping[str, set[str]]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_circles(distribution):
    assert circles(imports(modules(ROOT / distribution / "src"))) == []


def test_keras_models_and_graphs_share_only_what_is_neutral():
    source = ROOT / "plugins/tensorflow/src"
    found = {
        f"{name} -> {other}"
        for name, others in imports(modules(source)).items()
        for other in others
        for first, second in (
            ("keras_model", "graphdef"),
            ("lower", "graphdef"),
            ("lower", "keras_model"),
        )
        if name.startswith(f"prunus_tensorflow.{first}")
        and other.startswith(f"prunus_tensorflow.{second}")
    }
    assert found == set()


def test_a_circle_inside_functions_is_found(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text("import package.second\n")
    (package / "second.py").write_text("def late():\n    from package import third\n")
    (package / "third.py").write_text(
        "from importlib import import_module\nNAME = 'package.first'\n"
    )
    (package / "fourth.py").write_text("from package.first import x\n")
    found = circles(imports(modules(tmp_path)))
    assert found == [["package.first", "package.second", "package.third"]]


def test_imports_for_type_checkers_do_not_count(tmp_path):
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text("if TYPE_CHECKING:\n    import a\n")
    assert circles(imports(modules(tmp_path))) == []


def test_a_package_is_imported_with_its_modules(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("from user import x\n")
    (package / "part.py").write_text("")
    (tmp_path / "user.py").write_text("from package.part import y\n")
    assert circles(imports(modules(tmp_path))) == [["package", "user"]]


def modules(source: Path) -> dict[str, Path]:
    """Dotted name -> file."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Module -> modules it imports, and the packages those lie in."""
    graph = {}
    for name, path in files.items():
        found = {one for one in named(ast.parse(path.read_text())) if one in files}
        parents = {one[:end] for one in found for end, mark in enumerate(one) if mark == "."}
        around = {one for one in parents if not f"{name}.".startswith(f"{one}.")}
        graph[name] = (found | around) - {name}
    return graph


def named(node: ast.AST) -> Iterator[str]:
    """Names that may be modules, in imports and in the text of the code."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        yield from named(child)


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules that reach each other."""
    reached = {name: reach(graph, name) for name in graph}
    groups = {
        tuple(sorted({name, *(o for o in reached[name] if name in reached[o])}))
        for name in graph
        if name in reached[name]
    }
    return sorted(map(list, groups))


def reach(graph: Graph, start: str) -> set[str]:
    """Modules that a module imports, over any number of steps."""
    found: set[str] = set()
    pending = list(graph[start])
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += graph[name]
    return found
