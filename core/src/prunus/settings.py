"""Settings of a configuration file, in the terms of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs


@attrs.frozen
class Settings:
    """Options that may come from ``prunus.toml`` or from a vendor file.

    ``None`` means "not said": the command line and then the default decide.
    Paths are already resolved by the file's own convention.

    Attributes:
        model, weights, data, workspace: As the options of the same name.
        baseline: Weights of the unpruned network where ``weights`` is a later round.
        solver: The framework's own training recipe file.
        rate, threshold: Target; ratio in [0, 1), or metric loss per group.
        metric: Metric name, or the native name of the metric layer.
        samples: Number of evaluation samples; ``batches`` counts the network's own
            batches instead.
        criterion, allocation, trainer, multiple, seed: As the options.
        best_effort: The plan nearest to the target will do, however far it is.
        exclude: Native layer names, blob tops or indices that stay whole.
        options: Format options handed to ``Source`` and ``Destination``.
        notes: Sentences to show (a key that has no meaning here, say).
        legacy_count: ``stat`` shows the operations of convolutions alone too, as legacy tools
            count them.
        origins: Name of a setting, or ``options.NAME`` -> the file that says it. A name that is
            missing was said on the command line (`prunus.trust`).
        allow_code: The user's word that Python named by a file may run.
    """

    model: Path | None = None
    weights: Path | None = None
    baseline: Path | None = None
    data: str | None = None
    workspace: Path | None = None
    solver: Path | None = None
    rate: float | None = None
    threshold: float | None = None
    metric: str | None = None
    samples: int | None = None
    batches: int | None = None
    criterion: str | None = None
    allocation: str | None = None
    trainer: str | None = None
    multiple: int | None = None
    seed: int | None = None
    best_effort: bool = False
    exclude: tuple[str, ...] = ()
    options: Mapping[str, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    legacy_count: bool = False
    origins: Mapping[str, Path] = attrs.field(factory=dict, eq=False)
    allow_code: bool = False

    def said(self, name: str) -> str:
        """A setting in a message: the option, or the file that says it."""
        file = self.origins.get(name)
        return f"--{name}" if file is None else f"{file}: {name}"

    def all_from(self, path: Path) -> Settings:
        """The same settings, all said by one file."""
        names = [f.name for f in attrs.fields(Settings) if getattr(self, f.name) is not None]
        names += [f"options.{name}" for name in self.options]
        return attrs.evolve(self, origins=dict.fromkeys(names, path))
