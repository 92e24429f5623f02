"""Files that steps hand on to each other, keyed by digests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.errors import StaleError, UsageError
from prunus.evaluation.data_spec import split_spec
from prunus.network import Source, TaskNames, Written
from prunus.sensitivity import Sensitivity
from prunus.settings import Settings
from prunus.steps.state import NetworkFiles, Record, State, is_inside, located, portable
from prunus.storage.files import make_directory, read_json, write_json
from prunus.storage.staging import clear

STATE = "state.json"

TIMES = "times.json"
"""File of measured layer times."""

REPORT = "report.html"
"""Name of the report's file."""

_WRITTEN = (
    "*rate_*",
    "*threshold_*",
    "*params_*",
    "*bytes_*",
    "*latency_*",
    "*max_loss_*",
    "*density",
    "given",
    "transformed",
    "compressed",
    "compressed.prunus",
    "ana.*",
    STATE,
    TIMES,
    "history.json",
    REPORT,
    ".*.tmp",
    ".complete-*",
)
"""Names of files and directories that steps write; others in the workspace are the user's."""


@attrs.frozen
class Workspace:
    """A directory with the analysis, one directory a round, and ``state.json``.

    Attributes:
        path: The directory.
        analysis: File name of the result of ``ana`` (``Settings.analysis_file``).
    """

    path: Path
    analysis: str = "ana.json"

    @property
    def sensitivity_file(self) -> Path:
        """Result of ``ana``."""
        return self.path / self.analysis

    def sensitivity(self) -> Sensitivity | None:
        """The stored analysis, if there is one."""
        return _sensitivity(self.sensitivity_file) if self.sensitivity_file.exists() else None

    def part_file(self, number: int, count: int) -> Path:
        """Result of one part of an analysis, counted from 1."""
        return self.path / f"ana.part-{number}-of-{count}.json"

    def parts(self, key: Mapping[str, str]) -> list[Sensitivity]:
        """All parts of an analysis of this key; empty where one is missing."""
        for first in sorted(self.path.glob("ana.part-1-of-*.json")):
            files = sorted(self.path.glob(f"ana.part-*-of-{_count(first)}.json"))
            if len(files) == _count(first):
                found = [_sensitivity(file) for file in files]
                if all(part.key == key for part in found):
                    return found
        return []

    def save_sensitivity(self, sensitivity: Sensitivity) -> None:
        """Store the analysis."""
        make_directory(self.path)
        write_json(self.sensitivity_file, sensitivity.to_json())

    @property
    def state_file(self) -> Path:
        """Files of every step for the next one."""
        return self.path / STATE

    def state(self) -> State:
        """Records of the last steps; empty at first."""
        return read_json(self.state_file, State) if self.state_file.exists() else State()

    def update(self, **changes: Any) -> None:
        """Remember something for the next step."""
        make_directory(self.path)
        write_json(self.state_file, attrs.asdict(attrs.evolve(self.state(), **changes)))

    def remember(
        self,
        name: Record,
        written: Written | Source,
        directory: Path | None = None,
        changed: bool = True,
    ) -> None:
        """Remember a model by its name in `State`; a transformed one is of the newest only."""
        weights = None if written.weights is None else portable(written.weights, self.path)
        round_ = None if directory is None else portable(directory, self.path)
        files = NetworkFiles(portable(written.model, self.path), weights, round_, changed)
        stale = {"transformed": None} if name in ("pruned", "finetuned") else {}
        self.update(**stale, **{name: files})

    def keep_options(self, settings: Settings) -> None:
        """Remember format options, task and samples; their files are found from any directory."""
        task = settings.task
        named, path = self._kept(task.data)
        training, training_path = self._kept(settings.train_data)
        samples = settings.earlier_samples if settings.data is None else None
        self.update(
            options=settings.options,
            solver=None if task.solver is None else portable(task.solver, self.path),
            metric=task.metric,
            data=named,
            data_path=path,
            train_data=training,
            train_data_path=training_path,
            samples=settings.samples or samples,
        )

    def with_options(self, settings: Settings) -> Settings:
        """Settings with the format options, task and samples of earlier steps, unless said anew.

        The same for the granularity of the last plan.
        """
        state = self.state()
        solver = None if state.solver is None else self._located(state.solver)
        data = state.data if state.data_path is None else self._spec(state.data_path)
        training = (
            state.train_data if state.train_data_path is None else self._spec(state.train_data_path)
        )
        earlier = TaskNames(solver, state.metric, data)
        stored = [f"options.{name}" for name in state.options.keys() - settings.options]
        stored += [
            name
            for name, value in attrs.asdict(earlier).items()
            if value is not None and getattr(settings, name) is None
        ]
        if training is not None and settings.train_data is None:
            stored.append("train_data")
        return attrs.evolve(
            settings,
            options={**state.options, **settings.options},
            train_data=settings.train_data or training,
            earlier=earlier,
            earlier_samples=state.samples,
            origins={**settings.origins, **dict.fromkeys(stored, self.state_file)},
            granularity=settings.granularity or state.granularity,
        )

    def directory(self, name: str) -> Path:
        """A directory of results in the workspace.

        Raises:
            UsageError: it is a link that leads elsewhere.
        """
        path = self.path / name
        if not is_inside(path, self.path):
            raise UsageError(f"{path}: leads out of the workspace; make it a directory in it")
        return path

    def check_links(self) -> None:
        """Refuse links at the paths that steps write: they would write through them.

        Raises:
            UsageError: one leads out of the workspace.
        """
        for top in (top for pattern in _WRITTEN for top in self.path.glob(pattern)):
            for path in (top, *top.rglob("*")):
                if path.is_symlink() and not is_inside(path, self.path):
                    raise UsageError(
                        f"{path}: leads out of the workspace, and steps write there; remove it"
                    )

    def clear(self) -> None:
        """Repair outputs that killed steps left here and in the rounds; living ones go on."""
        for directory in (self.path, *self.path.glob("*/"), *self.path.glob("*/snapshots/")):
            if is_inside(directory, self.path):
                clear(directory)

    def recall(self, name: Record) -> Source | None:
        """A remembered model."""
        files: NetworkFiles | None = getattr(self.state(), name)
        if files is None:
            return None
        weights = None if files.weights is None else self._located(files.weights)
        return Source(self._located(files.model), weights)

    def round_of(self, name: Record) -> Path | None:
        """Directory of the round that a remembered model belongs to.

        Raises:
            StaleError: it lies elsewhere, as the state of a workspace that was copied or moved
                with an older version says.
        """
        files: NetworkFiles | None = getattr(self.state(), name)
        if files is None:
            return None
        directory = None if files.directory is None else self._located(files.directory)
        if directory is None or not is_inside(directory, self.path):
            raise StaleError(
                f"{self.state_file}: the directory of '{name}' ({files.directory}) is not in this "
                "workspace; was it copied or moved? run 'prunus prune' again"
            )
        return directory

    def _kept(self, spec: str | None) -> tuple[str | None, str | None]:
        """A data specification as it is, or as a portable path with the settings behind it."""
        if spec is None or not split_spec(spec)[0].exists():
            return spec, None
        path, settings = split_spec(spec)
        return None, portable(path, self.path) + (f":{settings}" if settings else "")

    def _spec(self, text: str) -> str:
        path, settings = split_spec(text)
        return str(self._located(str(path))) + (f":{settings}" if settings else "")

    def _located(self, text: str) -> Path:
        return located(text, self.path, self.state_file)


def _count(part: Path) -> int:
    """How many parts an analysis has, by the name of one; -1 for a name of somebody else's."""
    text = part.stem.rpartition("-")[2]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else -1


_LARGEST = 1e100
"""No metric is larger; differences and squares of such numbers are finite still."""


def _sensitivity(file: Path) -> Sensitivity:
    found = read_json(file, Sensitivity)
    missing = {"structure", "weights"} - found.key.keys()
    points = [(curve, point) for curve in found.curves for point in curve.points]
    numbers = [
        found.baseline.value,
        *(x for _, point in points for x in (point.value, point.error)),
    ]
    if (
        missing
        or not all(0 <= p.ratio < 1 and 0 < p.kept <= curve.size for curve, p in points)
        or not all(abs(number) <= _LARGEST for number in numbers)
    ):
        raise StaleError(f"{file}: not a result of this version; run 'prunus ana' again")
    return found


def workspace_of(settings: Settings) -> Workspace:
    """The workspace of the settings, free of what killed steps left.

    Raises:
        UsageError: none is given, the name of the analysis is a path, or a link leads out of it.
    """
    if settings.workspace is None:
        raise UsageError("no workspace given; use --workspace DIR or name it in the configuration")
    name = settings.analysis_file or "ana.json"
    if Path(name).name != name or name in ("..", STATE) or "\0" in name:
        raise UsageError(f"analysis_file = {name!r}: a file name other than {STATE}, not a path")
    workspace = Workspace(settings.workspace, name)
    workspace.check_links()
    workspace.clear()
    return workspace
