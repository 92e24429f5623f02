"""The command line as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def prunus(*arguments: str, folder: Path | None = None) -> Any:
    """Run a command and give its JSON result; what it says on stderr is shown.

    Args:
        arguments: The command line without ``--json``.
        folder: Where it runs.
    """
    print("$ prunus", *arguments, flush=True)
    command = [sys.executable, "-m", "prunus", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
