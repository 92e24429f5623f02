"""Keras models and SavedModels as ``.tflite`` files, by TensorFlow's own converter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, Network, Written
from prunus_tensorflow.detect import kind
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.keras_model.opening import open_model
from prunus_tensorflow.keras_model.read import custom_objects
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import silenced, tensorflow


def convert(network: Network, files: Written, directory: Path) -> Written:
    """A float32 file.

    Raises:
        ModelError: the converter refuses the model, or the network is a low-level graph.
    """
    return _written(_converter(network, files), directory / f"{files.model.stem}.tflite")


def quantize(
    network: Network, files: Written, samples: Mapping[str, NDArray[np.float32]], directory: Path
) -> Written:
    """An int8 file with float inputs and outputs; weights have a scale for each channel.

    Raises:
        ModelError: as `convert`.
    """
    tf, converter = tensorflow(), _converter(network, files)
    names = [value.name or "" for value in network.model.graph.inputs]

    def rows() -> Iterator[list[NDArray[np.float32]]]:
        for row in range(len(samples[names[0]])):
            yield [samples[name][row : row + 1] for name in names]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = rows
    return _written(converter, directory / f"{files.model.stem}.int8.tflite")


def _converter(network: Network, files: Written) -> Any:
    tf, found = tensorflow(), kind(files.model)
    if found == "keras":
        custom = custom_objects(network.options.get("custom_objects", ""))
        unsafe = network.options.get("unsafe", "no").lower() != "no"
        return tf.lite.TFLiteConverter.from_keras_model(
            open_model(files.model, custom, unsafe).model
        )
    if found == "savedmodel":
        signature = network.options.get("signature", "serving_default")
        return tf.lite.TFLiteConverter.from_saved_model(
            str(files.model), signature_keys=[signature]
        )
    raise ModelError(
        f"{files.model.name}: TFLite's converter takes Keras models and SavedModels, and this is a "
        "low-level graph; export it as ONNX, or save it as a SavedModel"
    )


def _written(converter: Any, path: Path) -> Written:
    try:
        # Keras prints what it exports, and the quantiser its settings
        with quiet(), silenced(), redirect_stdout(StringIO()):
            path.write_bytes(converter.convert())
    except Exception as error:
        raise ModelError(f"TFLite cannot hold the network: {first_line(error)}") from error
    return Written(path, None)
