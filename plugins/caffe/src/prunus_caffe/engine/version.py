"""Whether the user's Caffe is there, and which."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.util import find_spec

from prunus.plugin import UsageError
from prunus_caffe.training.process import VARIABLE, interpreter

_MEND = f"name the Python of your Caffe with {VARIABLE}"


def version() -> str:
    """Version of the user's Caffe.

    Raises:
        UsageError: no Python with Caffe is named.
    """
    if VARIABLE not in os.environ and find_spec("caffe") is None:
        raise UsageError(_MEND)
    try:
        return _version_of(interpreter({}))
    except UsageError as error:
        raise UsageError(_MEND) from error


@cache
def _version_of(python: str) -> str:
    asked = "import caffe; print(getattr(caffe, '__version__', 'of an unknown version'))"
    quiet = {**os.environ, "GLOG_minloglevel": "2"}
    done = subprocess.run(
        [python, "-c", asked], capture_output=True, text=True, check=False, env=quiet
    )
    if done.returncode:
        raise UsageError(_MEND)
    return done.stdout.strip()
