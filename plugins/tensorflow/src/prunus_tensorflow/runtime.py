"""The one door to TensorFlow: a clear message where it is missing, a quiet one where it is not."""

from __future__ import annotations

import os
from typing import Any

from prunus.errors import PluginError


def tensorflow() -> Any:
    """Import TensorFlow, without its start-up chatter.

    Raises:
        PluginError: TensorFlow is not installed or does not start.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        import tensorflow as module
    except ImportError as error:
        raise PluginError(
            f"TensorFlow cannot be imported ({error}): pip install 'prunus-tensorflow[cpu]'"
        ) from error
    return module
