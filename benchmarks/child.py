"""Measurements in a process of their own, whose memory nothing else has touched."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

REPEATS = 3


def fastest(script: str, *arguments: str, by: str) -> dict[str, Any]:
    """The fastest of some runs of a script that prints JSON.

    Args:
        script: The script.
        arguments: Its arguments.
        by: Key of its seconds.
    """
    command = [sys.executable, script, *arguments]
    runs = [json.loads(subprocess.check_output(command)) for _ in range(REPEATS)]
    return min(runs, key=lambda run: float(run[by]))


def peak_memory() -> float:
    """Peak resident memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
