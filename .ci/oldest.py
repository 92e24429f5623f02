"""Print a pip constraint for the oldest version of everything that the distributions state.

Usage: python .ci/oldest.py > constraints.txt. The floors are those of the pyproject files; where
several distributions state one, the highest of them is meant: all are installed together.
"""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOOR = re.compile(r"(?P<name>[\w.-]+)>=(?P<version>[\d.]+)")


def floors() -> dict[str, str]:
    """Distribution -> its floor, without those of this tree."""
    found: dict[str, str] = {}
    for path in sorted((*ROOT.glob("core/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml"))):
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        extras = project.get("optional-dependencies", {}).values()
        for requirement in (*project["dependencies"], *chain.from_iterable(extras)):
            match = FLOOR.match(requirement)
            if match and not match["name"].startswith("prunus"):
                old = found.get(match["name"], match["version"])
                found[match["name"]] = max(old, match["version"], key=numbers)
    return found


def numbers(version: str) -> list[int]:
    """A version as numbers that compare."""
    return [int(part) for part in version.split(".")]


if __name__ == "__main__":
    for name, version in sorted(floors().items()):
        print(f"{name}=={version}")
