"""Names of this distribution, and the hooks that act on them; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prunus.plugin import hookimpl
from prunus_caffe.detect import FORMAT, is_caffe

if TYPE_CHECKING:
    from pathlib import Path

    from prunus.plugin import (
        Compact,
        Dataset,
        Descriptor,
        Destination,
        Network,
        Running,
        Settings,
        Source,
        TrainingJob,
        Weights,
        Written,
    )

TRAINER = "caffe"


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the format, the trainer and the engine."""
    from prunus.plugin import Engine, Format, Trainer

    return (
        Format(
            name=FORMAT,
            summary="Caffe prototxt and caffemodel (V1 layers and the SSD line too)",
            detect=is_caffe,
            settings=_settings,
            data=_data,
            round_prefix="regular_",
            options={
                "input-shape": "size of an input the prototxt leaves open: data:3x224x224",
                "weights": "random: count the structure without a caffemodel",
            },
        ),
        Trainer(
            name=TRAINER,
            summary="Caffe itself, in its own interpreter, with the user's solver",
            formats=(FORMAT,),
            options={"caffe-python": "the Python of your Caffe [PRUNUS_CAFFE_PYTHON]"},
            holds_weights=True,
        ),
        Engine(
            name=FORMAT,
            summary="Caffe itself on the processor, in its own interpreter",
            version=_version,
            formats=(FORMAT,),
        ),
    )


def _version() -> str:
    from prunus_caffe.engine.version import version

    return version()


def _settings(path: Path) -> Settings | None:
    from prunus_caffe.config import read_config

    return read_config(path)


def _data(spec: str, network: Network, training: bool) -> Dataset | None:
    from prunus_caffe.task import open_spec

    return open_spec(spec, network, training)


@hookimpl
def prunus_load(format: str, source: Source) -> Network | None:
    """Read prototxt and caffemodel."""
    if format != FORMAT:
        return None
    from prunus_caffe.read import load

    return load(source)


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written | None:
    """Write prototxt and caffemodel."""
    if format != FORMAT:
        return None
    from prunus_caffe.write import write

    return write(network, compact, destination)


@hookimpl
def prunus_finetune(trainer: str, job: TrainingJob) -> Weights | None:
    """Train the compact network in the user's Caffe."""
    if trainer != TRAINER:
        return None
    from prunus_caffe.train import finetune

    return finetune(job)


@hookimpl
def prunus_convert(engine: str, network: Network, files: Written, directory: Path) -> Written:
    """Files that Caffe runs without data."""
    from prunus_caffe.engine.process import convert

    return convert(network, files, directory)


@hookimpl
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running:
    """A net in a Caffe of its own."""
    from prunus_caffe.engine.process import load

    return load(network, files, threads)
