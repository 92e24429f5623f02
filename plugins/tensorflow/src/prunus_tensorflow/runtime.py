"""The one door to TensorFlow: a clear message where it is missing, a quiet one where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prunus.plugin import PluginError


def tensorflow() -> Any:
    """Import TensorFlow, without its start-up chatter.

    Raises:
        PluginError: TensorFlow is not installed or does not start.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with _without_chatter():
            import tensorflow as module
    except ImportError as error:
        raise PluginError(
            f"TensorFlow cannot be imported ({error}): pip install 'prunus-tensorflow[cpu]'"
        ) from error
    return module


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what the C++ part prints while it loads (it ignores the level until then).

    Turning its oneDNN kernels off would silence it too, and make training four times slower.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    with silenced():
        yield


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing that C++ code prints on standard error arrives there."""
    sys.stderr.flush()
    try:
        kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # a process without standard error
        yield
        return
    os.dup2(sink, 2)
    os.close(sink)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
