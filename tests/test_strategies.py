"""Hypothesis strategies draw no subnormal floats.

TensorFlow switches them off for its whole process, and hypothesis then refuses a strategy that may
draw them: such a test fails or passes by the order in which modules are imported.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_strategy_of_floats_leaves_subnormals_out():
    loose = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("core", "plugins", "tests", "examples")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("st.floats", "strategies.floats", "floats")
        and not any(word.arg == "allow_subnormal" for word in node.keywords)
    ]
    assert loose == []
