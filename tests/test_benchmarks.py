"""Benchmarks stay runnable: their imports exist, and private ones are those that are listed."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PUBLIC = ("prunus", "prunus.plugin", "prunus.testing")
PRIVATE = {
    # measures parts of the core against plain ways to do the same
    "ana_exact.py": {"analysis", "analysis.probe", "analysis.suffix", "folding", "graph.macs", "methods.l1"},
    # counts the work of one analysis, and of a sweep that the core does not run
    "ana_fast.py": {"analysis.analysis", "analysis.suffix", "evaluation.agreement", "graph.macs", "methods", "methods.l1", "recovery.moments", "task"},
    # rounds: the public functions have no second round on a finetuned network
    "darknet_bccd.py": {"compaction.compact", "evaluation.choice", "steps.finetune", "steps.continued", "steps.report", "training.scatter", "training.tuning"},
    # edits the recipe in the files that a step wrote
    "darknet_demo.py": {"steps.finetune", "training.tuning"},
    # measures the coder itself, on files of no format
    "entropy_coding.py": {"compression.container", "compression.decompress", "compression.positions", "compression.shared", "methods.k_means"},
    # measures the check itself, image by image
    "sample_guard.py": {"evaluation.decoding", "likeness"},
    # tries all plans that are feasible
    "tensorflow_rates.py": {"graph.macs", "planning.target"},
}  # fmt: skip


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every import from prunus."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "prunus":
            yield from ((str(node.module), alias.name) for alias in node.names)


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.name)
def test_imports_exist_and_are_public(path):
    found = list(imported(path))
    for module, name in found:
        holder = importlib.import_module(module)
        assert hasattr(holder, name) or importlib.import_module(f"{module}.{name}"), (module, name)
    private = {
        module.removeprefix("prunus.")
        for module, name in found
        if module not in PUBLIC and not module.startswith("prunus.testing.") and name != "cli"
    }
    assert private - {"cli"} == PRIVATE.get(path.name, set())
