"""Int8 for OpenVINO by NNCF."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, UsageError

if TYPE_CHECKING:
    import openvino


def quantized(model: openvino.Model, samples: Mapping[str, NDArray[np.float32]]) -> openvino.Model:
    """The model with int8 weights, a scale for each channel, and int8 activations.

    Raises:
        UsageError: NNCF is not installed.
        ModelError: it cannot quantise the model.
    """
    count = len(next(iter(samples.values())))
    rows = [{name: array[row : row + 1] for name, array in samples.items()} for row in range(count)]
    with redirect_stdout(StringIO()):  # it logs and draws bars there
        try:
            import nncf
        except ImportError as error:
            raise UsageError(f"int8 for OpenVINO needs NNCF: pip install nncf ({error})") from error
        nncf.set_log_level(logging.ERROR)
        try:
            return nncf.quantize(model, nncf.Dataset(rows), subset_size=count)
        except Exception as error:
            raise ModelError(f"NNCF cannot quantise the network: {error}") from error
