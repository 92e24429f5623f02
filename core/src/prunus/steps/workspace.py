"""What the steps leave for each other, keyed by digests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.errors import StaleError, UsageError
from prunus.network import Source, Written
from prunus.sensitivity import Sensitivity
from prunus.settings import Settings
from prunus.steps.files import make_directory, read_json, write_json
from prunus.steps.stage import clear


@attrs.frozen
class Workspace:
    """A directory with the analysis, one directory a round, and ``state.json``.

    Attributes:
        path: The directory.
        analysis: File name of the result of ``ana`` (the ancestor's ``ana_out_file``).
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
            count = int(first.stem.rpartition("-")[2])
            files = [self.part_file(number, count) for number in range(1, count + 1)]
            if all(file.exists() for file in files):
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
        """What every step leaves for the next one."""
        return self.path / "state.json"

    def state(self) -> dict[str, Any]:
        """What the last steps did; empty at first."""
        if not self.state_file.exists():
            return {}
        stored = read_json(self.state_file)
        if not isinstance(stored, dict):
            raise self._strange(TypeError("no object"))
        return stored

    def update(self, **values: Any) -> None:
        """Remember something for the next step."""
        make_directory(self.path)
        write_json(self.state_file, {**self.state(), **values})

    def remember(self, name: str, written: Written | Source, **more: Any) -> None:
        """Remember a model by name."""
        weights = None if written.weights is None else str(written.weights.absolute())
        place = {"model": str(written.model.absolute()), "weights": weights}
        self.update(**{name: {**place, **more}})

    def keep_options(self, options: Mapping[str, str]) -> None:
        """Remember format options; the recipe and the data are found from any directory."""
        places = {
            name: str(Path(options[name]).absolute())
            for name in ("solver", "data")
            if name in options and Path(options[name]).exists()
        }
        self.update(options={**options, **places})

    def with_options(self, settings: Settings) -> Settings:
        """Settings with the format options earlier steps were given, unless said anew."""
        stored = self.state().get("options", {})
        known = {f"options.{name}": self.state_file for name in stored.keys() - settings.options}
        return attrs.evolve(
            settings,
            options={**stored, **settings.options},
            origins={**settings.origins, **known},
        )

    def clear(self) -> None:
        """Make good what killed steps left here and in the rounds; living ones go on."""
        for directory in (self.path, *self.path.glob("*/"), *self.path.glob("*/snapshots/")):
            clear(directory)

    def recall(self, name: str) -> Source | None:
        """A remembered model."""
        stored = self.state().get(name)
        if stored is None:
            return None
        try:
            weights = stored["weights"]
            return Source(Path(stored["model"]), None if weights is None else Path(weights))
        except (KeyError, TypeError) as error:
            raise self._strange(error) from error

    def round_of(self, name: str) -> Path | None:
        """Directory of the round that a remembered model belongs to."""
        stored = self.state().get(name)
        if stored is None:
            return None
        try:
            return Path(stored["directory"])
        except (KeyError, TypeError) as error:
            raise self._strange(error) from error

    def _strange(self, error: Exception) -> StaleError:
        return StaleError(
            f"{self.state_file}: not of this version ({error}); remove it and prune again"
        )


def _sensitivity(file: Path) -> Sensitivity:
    try:
        found = Sensitivity.from_json(read_json(file))
        found.key["structure"], found.key["weights"]
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise StaleError(
            f"{file}: not a result of this version ({error}); run 'prunus ana' again"
        ) from error


def workspace_of(settings: Settings) -> Workspace:
    """The workspace of the settings, free of what killed steps left.

    Raises:
        UsageError: none is given.
    """
    if settings.workspace is None:
        raise UsageError("no workspace given; use --workspace DIR or name it in the configuration")
    workspace = Workspace(settings.workspace, settings.options.get("ana_out_file", "ana.json"))
    workspace.clear()
    return workspace
