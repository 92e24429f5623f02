"""Factors of a Resize whose sizes are those of the native operator."""

from __future__ import annotations

import numpy as np


def floored_scale(before: int, after: int) -> float:
    """Factor whose floored product with ``before`` is ``after`` in float32."""
    scale = np.float32(after / before)
    if int(np.floor(np.float32(before) * scale)) < after:
        scale = np.nextafter(scale, np.float32(np.inf))
    return float(scale)
