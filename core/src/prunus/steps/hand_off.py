"""``prunus export --to ENGINE``: a network in files of an engine, proven equal there; int8."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import numpy as np

from prunus.descriptors import Engine
from prunus.engines.agree import Agreed, check_agreement, compared
from prunus.engines.bench import EngineTime
from prunus.engines.hold import ONNX, Runnable, converted, given, opened
from prunus.engines.known import DEFAULT, default_threads, engine_named
from prunus.engines.running import Running, Sample
from prunus.engines.timing import timed
from prunus.errors import DataError, UsageError
from prunus.evaluation.choice import calibration_count
from prunus.evaluation.evaluator import Evaluator, Run
from prunus.evaluation.random_inputs import random_inputs
from prunus.formats.onnx_save import save_standalone
from prunus.graph.parameters import parameters
from prunus.host import Host
from prunus.network import Network, Written
from prunus.settings import Settings
from prunus.steps.calibrate import calibrate
from prunus.steps.loaded import Loaded, evaluator_for, load
from prunus.steps.report import Report, Stage, warnings_of
from prunus.storage.files import make_directory, moved
from prunus.storage.native import keep_apart
from prunus.storage.staging import staged
from prunus.task import Array, Measurement

_RANDOM, _REAL = 3, 4
"""Samples of the proof: random ones, and real ones where there are any."""


def hand_over(host: Host, settings: Settings, target: str, output: Path, *, int8: bool) -> Report:
    """Write a network for an engine, and prove it equal by running it there.

    Args:
        host: Plugins.
        settings: The network; samples, for int8.
        target: ``onnx``, or the name of an engine.
        output: Directory to write to.
        int8: Quantise it, too, by the engine's own tools.

    Raises:
        UsageError: the engine is unknown, not installed, or does not quantise.
        ModelError: it cannot hold the network.
        ProofError: it computes other numbers; nothing is left behind.
        DataError: there are no samples to quantise by.
    """
    name = DEFAULT if target == ONNX else target
    engine = engine_named(host, name)
    if int8 and not engine.quantizes:
        raise UsageError(f"engine '{name}' quantises nothing here; leave --int8 out")
    loaded = load(host, settings)
    evaluator = evaluator_for(loaded, settings, loaded.network) if int8 or settings.data else None
    if int8 and evaluator is None:
        raise DataError("int8 needs samples to choose its ranges by: give --data")
    job = _Job(host, loaded, engine, evaluator, target == ONNX)
    make_directory(output)
    with staged(output) as stage:
        work = stage / "work"
        work.mkdir()
        original = job.given(work)
        files = job.converted(original, work)
        with job.opened(files) as running:
            agreed = job.proven(running)
            before = job.seen(files, running, None)
            after = job.quantised(settings, original, running, work) if int8 else None
        written = [one.files for one in (before, after) if one is not None]
        final = [_delivered(one, work, stage) for one in written]
        shutil.rmtree(work)
        keep_apart(stage, output, loaded.source)
    return job.report(before, after, agreed, [moved(one, stage, output) for one in final])


@attrs.frozen(eq=False)
class _Seen:
    """What was seen of files in the engine."""

    files: Written
    metric: Measurement | None
    times: tuple[EngineTime, ...] = ()


@attrs.frozen(eq=False)
class _Job:
    """One network on its way to an engine."""

    host: Host
    loaded: Loaded
    engine: Engine
    evaluator: Evaluator | None
    plain: bool

    @property
    def network(self) -> Network:
        return self.loaded.network

    @property
    def runnable(self) -> Runnable:
        """What the engine is given."""
        return Runnable.whole(self.network)

    def given(self, work: Path) -> Written:
        """The files that the engine's converter reads."""
        name = self.loaded.source.model.stem
        if self.plain:
            return save_standalone(self.network.model, work / f"{name}.onnx")
        return given(self.host, self.engine.name, self.runnable, work, name)

    def converted(self, files: Written, work: Path) -> Written:
        """The engine's files."""
        return converted(self.host, self.engine.name, self.runnable, files, work)

    def opened(self, files: Written) -> AbstractContextManager[Running]:
        """The files, loaded in the engine."""
        return opened(self.host, self.engine.name, self.network, files, default_threads())

    def proven(self, running: Running) -> Agreed:
        """How equal the engine's numbers are.

        Raises:
            ProofError: not equal enough.
        """
        agreed = compared(self.network, running, self.samples())
        check_agreement(agreed, self.engine.name)
        return agreed

    def samples(self) -> list[Sample]:
        """Inputs of the proof."""
        found: list[Sample] = [
            random_inputs(self.network.model, 1, seed) for seed in range(_RANDOM)
        ]
        if self.evaluator is not None:
            real = self.evaluator.calibration(_REAL)
            found += [_row(real, row) for row in range(len(next(iter(real.values()))))]
        return found

    def seen(self, files: Written, running: Running, beside: Running | None) -> _Seen:
        """The metric in the engine, and its time beside the float network's."""
        metric = None if self.evaluator is None else self.evaluator.measure_in(by_sample(running))
        pair = [running] if beside is None else [beside, running]
        sample = self.samples()[0]
        names = ("float", "int8")
        timings = timed([(one, sample) for one in pair])
        times = tuple(
            EngineTime(self.engine.name, name, timing)
            for name, timing in zip(names, timings, strict=False)
        )
        return _Seen(files, metric, times)

    def quantised(self, settings: Settings, files: Written, running: Running, work: Path) -> _Seen:
        """The int8 files, measured beside the float ones."""
        found = calibrate(self.loaded, settings, self.evaluator)
        assert found.inputs is not None
        count = calibration_count(self.network)
        written = self.host.call(
            Engine,
            self.engine.name,
            "prunus_quantize",
            network=self.network,
            files=files,
            samples={name: array[:count] for name, array in found.inputs.items()},
            directory=work,
        )
        with self.opened(written) as small:
            return self.seen(written, small, running)

    def report(
        self, before: _Seen, after: _Seen | None, agreed: Agreed, written: list[Written]
    ) -> Report:
        """The networks as the engine sees them."""
        evaluator = self.evaluator
        params = parameters(self.network, self.network.model)
        macs = self.loaded.macs({})

        def stage(name: str, metric: Measurement | None, files: Written | None) -> Stage:
            return Stage(name, metric, macs, params, None if files is None else _bytes(files))

        stages = [stage("network", None if evaluator is None else evaluator.baseline, None)]
        for name, seen, files in zip(
            ("float", "int8"), filter(None, (before, after)), written, strict=False
        ):
            stages.append(stage(f"{name} in {self.engine.name}", seen.metric, files))
        return Report(
            "export",
            None if evaluator is None else evaluator.metric.name,
            tuple(stages),
            notes=self.network.notes,
            files=tuple(path for one in written for path in _paths(one)),
            facts={"agreement": attrs.asdict(agreed), "target": self.engine.name},
            warnings=warnings_of(evaluator),
            times=(before if after is None else after).times,
        )


def by_sample(running: Running) -> Run:
    """A network that takes one sample after the other, as one that takes batches."""

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        count = len(next(iter(inputs.values())))
        rows = [running.run(_row(inputs, row)) for row in range(count)]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return run


def _row(inputs: Mapping[str, Array], row: int) -> Sample:
    return {name: np.asarray(array[row : row + 1], np.float32) for name, array in inputs.items()}


def _paths(files: Written) -> list[Path]:
    return [path for path in (files.model, files.weights, *files.others) if path is not None]


def _bytes(files: Written) -> int:
    return sum(path.stat().st_size for path in _paths(files))


def _delivered(files: Written, work: Path, stage: Path) -> Written:
    """The files, from the directory where the engine's tools left what else they write."""
    for path in _paths(files):
        shutil.copyfile(path, stage / path.name)
    return attrs.evolve(
        files,
        model=stage / files.model.name,
        weights=None if files.weights is None else stage / files.weights.name,
        others=tuple(stage / path.name for path in files.others),
    )
