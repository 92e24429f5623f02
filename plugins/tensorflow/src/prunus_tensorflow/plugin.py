"""Names of this distribution, and the hooks that act on them.

Imports neither TensorFlow nor Keras: the host loads this module for ``prunus --help``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from prunus.plugin import Descriptor, Engine, Format, Trainer, hookimpl
from prunus_tensorflow.detect import FORMAT, is_tensorflow, kind
from prunus_tensorflow.files import files_of
from prunus_tensorflow.training.options import BATCHNORM, DECAY, TRAIN_FUNCTION, TRAINER
from prunus_tensorflow.user_code import reference

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from prunus.plugin import (
        Compact,
        Dataset,
        Destination,
        Network,
        Running,
        Source,
        TrainingJob,
        Weights,
        Written,
    )


TFLITE = "tflite"
"""Name of the engine."""


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the format, the trainer and the engine."""
    return (
        Format(
            name=FORMAT,
            summary="TensorFlow graph (.pbtxt, .pb, .meta + checkpoint), Keras model, SavedModel",
            detect=is_tensorflow,
            data=_data,
            options={
                "input_nodes": "inputs of a graph, comma list",
                "input_node_shapes": "their sizes: 1,224,224,3; several separated by ':'",
                "output_nodes": "outputs of a graph, comma list",
                "checkpoint": "name of the checkpoint that is written [the original's]",
                "frozen": "yes: write a graph with the weights inside, too",
                "signature": "which signature of a SavedModel [serving_default]",
                "custom_objects": "FILE.py with a Keras model's own classes",
                "unsafe": "yes: load a Keras model that holds Python code",
            },
            names_code=_names_code,
            files=files_of,
            in_memory=_is_model,
        ),
        Trainer(
            name=TRAINER,
            summary="TensorFlow and Keras themselves",
            formats=(FORMAT,),
            options={
                TRAIN_FUNCTION: "FILE.py:function or module:function that trains the compact "
                "low-level graph [cross entropy, or --distill]",
                DECAY: "cosine: the learning rate falls to zero until the last update [it stays]",
                BATCHNORM: "frozen: Keras models keep their moving moments, for few samples; "
                "low-level graphs always do [recipe]",
            },
            holds_weights=True,
        ),
        Engine(
            name=TFLITE,
            summary="TFLite on the processor, of Keras models and SavedModels",
            version=_version,
            formats=(FORMAT,),
            quantizes=True,
        ),
    )


@hookimpl
def prunus_load(format: str, source: Source) -> Network | None:
    """Read native files into the neutral graph; by the kind of the path."""
    if format != FORMAT:
        return None
    from prunus_tensorflow import graphdef, keras_model, saved_model

    found = kind(source.model)
    if found == "keras":
        return keras_model.load(source)
    return saved_model.load(source) if found == "savedmodel" else graphdef.load(source)


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written | None:
    """Write native files of the kind that was read."""
    if format != FORMAT:
        return None
    from prunus_tensorflow import graphdef, keras_model, saved_model
    from prunus_tensorflow.keras_model.origin import KerasOrigin
    from prunus_tensorflow.saved_model.origin import SavedModelOrigin

    if isinstance(network.origin, KerasOrigin):
        return keras_model.write(network, compact, destination)
    if isinstance(network.origin, SavedModelOrigin):
        return saved_model.write(network, compact, destination)
    return graphdef.write(network, compact, destination)


@hookimpl
def prunus_lower(format: str, model: object, options: Mapping[str, str]) -> Network | None:
    """Express a Functional or Sequential Keras model."""
    if format != FORMAT:
        return None
    from prunus_tensorflow.keras_model.lower import lower_model
    from prunus_tensorflow.keras_model.read import input_shapes

    return lower_model(model, None, input_shapes(options.get("input_node_shapes", "")))


@hookimpl
def prunus_rebuild(format: str, network: Network, compact: Compact) -> object | None:
    """A Keras model with the same layer names and fewer channels."""
    if format != FORMAT:
        return None
    from prunus_tensorflow.keras_model.rebuild import model_of

    rebuilt: object = model_of(network, compact)
    return rebuilt


@hookimpl
def prunus_finetune(trainer: str, job: TrainingJob) -> Weights | None:
    """Train the compact network in TensorFlow."""
    if trainer != TRAINER:
        return None
    from prunus_tensorflow.train import finetune

    return finetune(job)


@hookimpl
def prunus_convert(engine: str, network: Network, files: Written, directory: Path) -> Written:
    """A ``.tflite`` file by TensorFlow's own converter."""
    from prunus_tensorflow.tflite.convert import convert

    return convert(network, files, directory)


@hookimpl
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running:
    """An interpreter."""
    from prunus_tensorflow.tflite.interpreter import load

    return load(network, files, threads)


@hookimpl
def prunus_quantize(
    engine: str,
    network: Network,
    files: Written,
    samples: Mapping[str, NDArray[np.float32]],
    directory: Path,
) -> Written:
    """An int8 file by TensorFlow's own converter."""
    from prunus_tensorflow.tflite.convert import quantize

    return quantize(network, files, samples, directory)


def _version() -> str:
    """The distribution ``tensorflow`` has no wheel of its own where ``tensorflow-cpu`` is."""
    for name in ("tensorflow", "tensorflow-cpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    raise PackageNotFoundError("tensorflow")


def _names_code(name: str, value: str) -> bool:
    """Custom classes, stored code that is allowed, and a function that gives samples."""
    if name == "data":
        return reference(value) is not None
    return name == "custom_objects" or (name == "unsafe" and value.lower() != "no")


def _is_model(model: object) -> bool:
    """Whether it is a Keras model; who has one has imported Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


def _data(specification: str, network: Network, training: bool) -> Dataset | None:
    """Open a data specification in TensorFlow's terms (a user function)."""
    from prunus_tensorflow.data import open_data

    return open_data(specification, network, training)
