"""Sensitivity measured by an evaluation script on masked checkpoints.

Slower than the core's own analysis, because every trial is a run of the script; taken where
the only way to measure is the user's own TensorFlow code.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import (
    DEFAULT_CRITERION,
    DEFAULT_RATIOS,
    Compact,
    Curve,
    Destination,
    Host,
    Journal,
    Loaded,
    Measurement,
    Network,
    PlanError,
    Point,
    Sensitivity,
    Settings,
    UsageError,
    choose_units,
    evaluator_for,
    fold,
    load_from_settings,
    make_directory,
    mask,
    scores_of,
    structure_digest,
    weights_digest,
    workspace_of,
)
from prunus_tensorflow.commands.evaluation_script import Script


@attrs.frozen(eq=False)
class ScriptMeasure:
    """A script as a measure of networks.

    Attributes:
        script: The evaluation script.
    """

    script: Script

    @property
    def name(self) -> str:
        """Name of the metric."""
        return self.script.target or "metric"

    @property
    def higher_is_better(self) -> bool:
        """Losses and errors go down; everything else a script reports goes up."""
        return not any(word in self.name.lower() for word in ("loss", "error", "mse", "mae"))

    def of(self, network: Network) -> Measurement:
        """Measure a network of full structure."""
        from prunus_tensorflow import graphdef

        with tempfile.TemporaryDirectory(prefix="prunus-eval-") as directory:
            destination = Destination(Path(directory), "masked")
            written = graphdef.write(network, Compact(network.model, {}), destination)
            return self.of_checkpoint(written.weights)

    def of_checkpoint(self, checkpoint: Path | None) -> Measurement:
        """Measure stored weights.

        Raises:
            UsageError: the graph is frozen, so there is no checkpoint to hand to the script.
        """
        if checkpoint is None:
            raise UsageError(
                f"{self.script.path}: a script measures checkpoints and this graph is frozen: "
                "give --data"
            )
        return Measurement(self.script.measure(checkpoint))


def analyze_with_script(
    host: Host,
    settings: Settings,
    script: Script,
    report: Callable[[int, int], None],
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
) -> Sensitivity:
    """Measure every group at every ratio with the script; resumes after a kill.

    Raises:
        PlanError: nothing is prunable.
    """
    workspace = workspace_of(settings)
    loaded = load_from_settings(host, settings)
    groups = loaded.grouping.groups
    if not groups:
        raise PlanError("no prunable group: every channel is protected")
    key = _key(loaded, settings, script, ratios)
    stored = workspace.sensitivity()
    if stored is not None and stored.key == key:
        return stored
    make_directory(workspace.path)
    measure = ScriptMeasure(script)
    journal = Journal(workspace.path / "ana.partial.jsonl", key)
    done = journal.start()
    criterion = settings.criterion or DEFAULT_CRITERION
    evaluator = evaluator_for(loaded, settings, loaded.network)
    samples = None if evaluator is None else evaluator.calibration()
    scores = scores_of(host, criterion, loaded, samples, settings.seed or 0)
    trials = [
        _Trial(group.name, group.size, ratio, keep)
        for group in groups
        for ratio in ratios
        for keep in [choose_units(group, scores[group.name], _count(group.size, ratio))]
        if not keep.all()
    ]
    values = _measure(loaded, samples, measure, trials, journal, done, report)
    sensitivity = _sensitivity(measure, trials, values, key)
    workspace.save_sensitivity(sensitivity)
    workspace.remember("original", loaded.source)
    journal.remove()
    return sensitivity


@attrs.frozen(eq=False)
class _Trial:
    """One group with a share of its channels masked."""

    group: str
    size: int
    ratio: float
    keep: NDArray[np.bool_]

    @property
    def piece(self) -> str:
        return f"{self.group}|{self.ratio:g}"


def _measure(
    loaded: Loaded,
    samples: dict[str, NDArray[np.float32]] | None,
    measure: ScriptMeasure,
    trials: list[_Trial],
    journal: Journal,
    done: Mapping[str, float],
    report: Callable[[int, int], None],
) -> dict[str, float]:
    """Piece -> value; the piece "" is the untouched network."""
    values = dict(done)
    if "" not in values:
        values[""] = measure.of(loaded.network).value
        journal.write("", values[""])
    for number, trial in enumerate(trials):
        if trial.piece not in values:
            keep = {trial.group: trial.keep}
            folded = fold(loaded.network, loaded.grouping, keep, samples)
            masked = mask(folded, loaded.grouping, keep)
            values[trial.piece] = measure.of(masked).value
            journal.write(trial.piece, values[trial.piece])
        report(number + 1, len(trials))
    return values


def _sensitivity(
    measure: ScriptMeasure,
    trials: list[_Trial],
    values: Mapping[str, float],
    key: dict[str, str],
) -> Sensitivity:
    curves: dict[str, list[Point]] = {}
    sizes = {}
    for trial in trials:
        sizes[trial.group] = trial.size
        point = Point(trial.ratio, int(trial.keep.sum()), values[trial.piece], 0.0)
        curves.setdefault(trial.group, []).append(point)
    found = tuple(Curve(name, sizes[name], tuple(points)) for name, points in curves.items())
    baseline = Measurement(values[""])
    return Sensitivity(measure.name, measure.higher_is_better, baseline, found, key)


def _count(size: int, ratio: float) -> int:
    return max(1, round(size * (1 - ratio)))


def _key(
    loaded: Loaded, settings: Settings, script: Script, ratios: tuple[float, ...]
) -> dict[str, str]:
    wording = "|".join(
        str(one)
        for one in (
            ratios, settings.criterion, script.target, script.batches, settings.exclude,
            settings.data,
        )
    )  # fmt: skip
    return {
        "structure": structure_digest(loaded.network),
        "weights": weights_digest(loaded.network),
        "data": hashlib.sha256(script.path.read_bytes()).hexdigest()[:16],
        "settings": hashlib.sha256(wording.encode()).hexdigest()[:16],
    }
