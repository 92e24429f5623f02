"""Hooks of the Darknet format; imports nothing heavy until it is needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prunus.plugin import hookimpl
from prunus_darknet.detect import FORMAT, is_darknet

if TYPE_CHECKING:
    from pathlib import Path

    from prunus.plugin import (
        Compact,
        Dataset,
        Descriptor,
        Destination,
        Metric,
        Network,
        Running,
        Settings,
        Source,
        TrainingJob,
        Weights,
        Written,
    )


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Declare the format, the trainer and the engine."""
    from prunus.plugin import Engine, Format, Trainer

    return (
        Format(
            name=FORMAT,
            summary="Darknet cfg and weights (pjreddie's and AlexeyAB's forks)",
            detect=is_darknet,
            settings=_settings,
            data=_data,
            metrics={"map": _map, "map-coco": _map_coco, "map50-coco": _map50_coco},
            options={
                "normalization": "whose batch normalisation: pjreddie, alexeyab, opencv",
                "structure_only": "1: count the structure without weights",
                "datacfg": "the .data file, instead of --data",
                "prunedcfg": "name of the pruned cfg [<cfg>-prune.cfg]",
                "prune_out_weights": "name of the masked weights [weights.prune]",
            },
        ),
        Trainer(
            name=FORMAT,
            summary="the user's own darknet program on the compact network (pjreddie's fork)",
            formats=(FORMAT,),
            options={"darknet": "program of trainer darknet [darknet, where PATH finds it]"},
        ),
        Engine(
            name=FORMAT,
            summary="Darknet's own library on the processor (pjreddie's fork)",
            version=_version,
            formats=(FORMAT,),
        ),
    )


def _version() -> str:
    from prunus_darknet.engine.version import version

    return version()


def _settings(path: Path) -> Settings | None:
    from prunus_darknet.config import read_config

    return read_config(path)


def _data(spec: str, network: Network, training: bool) -> Dataset | None:
    from prunus_darknet.data import open_data

    return open_data(spec, network, training)


def _map(network: Network) -> Metric:
    from prunus_darknet import task
    from prunus_darknet.boxes import average_precision

    return task.mean_average_precision(network, average_precision.VOC)


def _map_coco(network: Network) -> Metric:
    from prunus_darknet import task
    from prunus_darknet.boxes import average_precision

    return task.mean_average_precision(network, average_precision.COCO)


def _map50_coco(network: Network) -> Metric:
    from prunus_darknet import task
    from prunus_darknet.boxes import average_precision

    return task.mean_average_precision(network, average_precision.COCO_50)


@hookimpl
def prunus_load(format: str, source: Source) -> Network | None:
    """Read cfg and weights."""
    if format != FORMAT:
        return None
    from prunus_darknet.read import load

    return load(source)


@hookimpl
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written | None:
    """Write cfg and weights."""
    if format != FORMAT:
        return None
    from prunus_darknet.write import write

    return write(network, compact, destination)


@hookimpl
def prunus_finetune(trainer: str, job: TrainingJob) -> Weights | None:
    """Train the compact network in Darknet."""
    if trainer != FORMAT:
        return None
    from prunus_darknet.train import finetune

    return finetune(job)


@hookimpl
def prunus_convert(engine: str, network: Network, files: Written, directory: Path) -> Written:
    """Darknet reads its own files."""
    return files


@hookimpl
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running:
    """A network in a process of its own."""
    from prunus_darknet.engine.process import load

    return load(network, files, threads)
