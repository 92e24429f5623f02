"""Static int8 quantisation by ONNX Runtime's own tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from prunus.errors import ModelError
from prunus.network import Written


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Calibration inputs one by one: the file is of a batch of one."""

    def __init__(self, samples: Mapping[str, NDArray[np.float32]]) -> None:
        self._samples = samples
        self._rows = iter(range(len(next(iter(samples.values())))))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """One input, ``None`` behind the last."""
        row = next(self._rows, None)
        if row is None:
            return None
        return {name: array[row : row + 1] for name, array in self._samples.items()}


def quantized(
    files: Written, samples: Mapping[str, NDArray[np.float32]], directory: Path
) -> Written:
    """The same network with int8 weights and activations.

    Weights have a scale for each output channel; activations one, from the range of the samples.

    Raises:
        ModelError: the quantiser refuses it.
    """
    prepared = directory / f"{files.model.stem}.prepared.onnx"
    path = directory / f"{files.model.stem}.int8.onnx"
    try:
        quant_pre_process(files.model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            _Reader(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
    except Exception as error:
        said = str(error).splitlines()[:1]
        raise ModelError(f"ONNX Runtime cannot quantise the network: {' '.join(said)}") from error
    finally:
        prepared.unlink(missing_ok=True)
    return Written(path, None)
