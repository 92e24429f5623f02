"""The six distributions: one version, a licence, declared dependencies."""

from __future__ import annotations

import ast
import runpy
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "core": "prunus",
    "plugins/caffe": "prunus_caffe",
    "plugins/darknet": "prunus_darknet",
    "plugins/engines": "prunus_engines",
    "plugins/tensorflow": "prunus_tensorflow",
    "plugins/torch": "prunus_torch",
}
IMPORTED_AS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "onnx_ir": "onnx-ir",
}
LEFT_TO_THE_USER = {
    # the user chooses one of several distributions, or runs it in another interpreter
    "plugins/tensorflow": {"tensorflow", "keras"},
    "plugins/caffe": {"caffe"},
    # comes with prunus-torch, without which nothing here is called
    "plugins/darknet": {"torch"},
}


def project(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("folder", PACKAGES)
def test_version_licence_and_types(folder):
    declared = project(folder)
    assert declared["license"] == "Apache-2.0"
    assert (ROOT / folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (ROOT / folder / "src" / PACKAGES[folder] / "py.typed").exists()
    assert declared["dynamic"] == ["version"]
    pytest.importorskip(PACKAGES[folder])
    version = import_module(PACKAGES[folder]).__version__
    assert version == import_module("prunus").__version__
    if folder != "core":
        major, minor, *_ = version.split(".")
        assert f"prunus>={major}.{minor},<{major}.{int(minor) + 1}" in declared["dependencies"]


@pytest.mark.parametrize("folder", PACKAGES)
def test_imports_are_declared(folder):
    declared = project(folder)
    extras = declared.get("optional-dependencies", {})
    wanted = [*declared["dependencies"], *(name for extra in extras.values() for name in extra)]
    known = {requirement.split(">")[0].split("=")[0] for requirement in wanted}
    source = ROOT / folder / "src" / PACKAGES[folder]
    allowed = {PACKAGES[folder], *LEFT_TO_THE_USER.get(folder, ())}
    for path in source.rglob("*.py"):
        for name in imported(path) - allowed:
            assert IMPORTED_AS.get(name, name) in known, f"{path} imports {name}, undeclared"


def test_the_oldest_versions_are_those_of_the_pyprojects():
    """What `.ci/run` installs for PRUNUS_DEPENDENCIES=oldest."""
    oldest = runpy.run_path(str(ROOT / ".ci/oldest.py"))["floors"]()
    for folder in PACKAGES:
        declared = project(folder)
        for requirement in declared["dependencies"]:
            name, _, floor = requirement.partition(">=")
            assert floor, f"{folder}: {requirement} states no oldest version"
            if not name.startswith("prunus"):
                assert Version(oldest[name]) >= Version(floor)
    assert oldest["protobuf"] == "6.31"  # the highest of three floors


def imported(path: Path) -> set[str]:
    """Top-level names a module imports, without Python's own."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names
