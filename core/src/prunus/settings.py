"""Settings of a configuration file, in the terms of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.network import TaskNames

AUTO = "auto"
"""The word for the rule of `prunus.planning.multiple` where a multiple is asked for."""

DEFAULT_TRAINER = "torch"
"""Who trains where nobody else is named."""

TARGETS = ("rate", "threshold", "density", "params", "bytes", "latency", "max_loss")
"""Settings that say how far to prune."""


@attrs.frozen
class Settings:
    """Options that may come from ``prunus.toml`` or from a vendor file.

    ``None`` means "not said": the command line and then the default decide.
    Paths are already resolved by the file's own convention.

    Attributes:
        model, weights, data, train_data, workspace: As the options of the same name.
        baseline: Weights of the unpruned network where ``weights`` is a later round.
        solver: The framework's own training recipe file.
        rate, threshold, density: Target; ratio in [0, 1), metric loss per group, or layer -> share
            that stays.
        params, bytes, latency, max_loss: Further targets, as in `Budget`; bytes as people write a
            size: ``2MB``.
        engine: Engine whose time ``latency`` counts.
        granularity: Units that go: ``channel``, ``weight``, or a pattern N:M.
        metric: Metric name, or the native name of the metric layer.
        samples: Number of evaluation samples.
        batches: The same, counted in the network's own batches.
        criterion, allocation, trainer, multiple, seed: As the options; a multiple may be ``auto``.
        best_effort: The plan nearest to the target will do, however far it is.
        exclude: Native layer names, blob tops or indices that stay whole.
        analysis_file: File name of the result of ``ana`` in the workspace; ``ana.json`` without it.
        options: Format options handed to ``Source`` and ``Destination``.
        notes: Sentences to show (a key that has no meaning here, say).
        legacy_count: ``stat`` shows the operations of convolutions alone too, as legacy tools
            count them.
        earlier: Solver, metric and data that an earlier step in the workspace was given: they hold
            unless others are given now.
        earlier_samples: Number of evaluation samples that went with these data.
        origins: Name of a setting, or ``options.NAME`` -> the file that says it. A name that is
            missing was said on the command line.
        allow_code: The user's word that Python named by a file may run.
        command: The command line that gave the settings, word by word; empty from Python.
    """

    model: Path | None = None
    weights: Path | None = None
    baseline: Path | None = None
    data: str | None = None
    train_data: str | None = None
    workspace: Path | None = None
    solver: Path | None = None
    rate: float | None = None
    threshold: float | None = None
    density: Mapping[str, float] | None = None
    params: float | None = None
    bytes: str | None = None
    latency: float | None = None
    engine: str | None = None
    max_loss: float | None = None
    granularity: str | None = None
    metric: str | None = None
    samples: int | None = None
    batches: int | None = None
    criterion: str | None = None
    allocation: str | None = None
    trainer: str | None = None
    multiple: int | str | None = None
    seed: int | None = None
    best_effort: bool = False
    exclude: tuple[str, ...] = ()
    analysis_file: str | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    legacy_count: bool = False
    earlier: TaskNames = attrs.field(factory=TaskNames)
    earlier_samples: int | None = None
    origins: Mapping[str, Path] = attrs.field(factory=dict, eq=False)
    allow_code: bool = False
    command: tuple[str, ...] = ()

    def aiming(self, **targets: Any) -> Settings:
        """The same settings with other targets, of which those not named are ``None``."""
        return attrs.evolve(self, **{**dict.fromkeys(TARGETS), **targets})

    @property
    def task(self) -> TaskNames:
        """Solver, metric and data that hold: given now, else earlier."""
        return TaskNames(
            self.solver or self.earlier.solver,
            self.metric or self.earlier.metric,
            self.data or self.earlier.data,
        )

    def said(self, name: str) -> str:
        """A setting in a message: the option, or the file that says it."""
        file = self.origins.get(name)
        return f"--{name.replace('_', '-')}" if file is None else f"{file}: {name}"

    def all_from(self, path: Path) -> Settings:
        """The same settings, all said by one file."""
        names = [f.name for f in attrs.fields(Settings) if getattr(self, f.name) is not None]
        names += [f"options.{name}" for name in self.options]
        return attrs.evolve(self, origins=dict.fromkeys(names, path))
