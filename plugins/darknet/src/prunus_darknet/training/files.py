"""Files the ``darknet`` program trains from: cfg, weights, ``.data`` file and list.

Format facts: ``train_detector`` and ``train_classifier`` hold paths in ``char buff[256]``;
``read_data_cfg`` drops every blank of a line (``strip`` in ``src/utils.c``); ``basecfg`` makes
the names of backups from the cfg's.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import attrs

from prunus.plugin import (
    DataError,
    Destination,
    PrunusError,
    StaleError,
    TrainingJob,
    UsageError,
    job_digests,
    joined,
    make_directory,
)
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.data import ClassifierDataset, ListedImages
from prunus_darknet.origin import Origin
from prunus_darknet.weights import open_weights
from prunus_darknet.write import compact_text, recipe_text, write

STEM = "compact"
LONGEST = 255 - len(f"/{STEM}_100000.weights")
"""Bytes of the longest backup folder the program can hold."""


@attrs.frozen
class TrainFiles:
    """Where everything lies.

    Attributes:
        folder: Holds all of it.
        kind: ``detector`` or ``classifier``: the program's first word.
        images: Images of one update.
    """

    folder: Path
    kind: str
    images: int

    @property
    def cfg(self) -> Path:
        """The compact structure with the recipe."""
        return self.folder / f"{STEM}.cfg"

    @property
    def start(self) -> Path:
        """Weights to begin with."""
        return self.folder / f"{STEM}.weights"

    @property
    def data(self) -> Path:
        """The ``.data`` file."""
        return self.folder / f"{STEM}.data"

    @property
    def final(self) -> Path:
        """File that the program writes at the end."""
        name = f"{STEM}_final.weights" if self.kind == "detector" else f"{STEM}.weights"
        return self.backup / name

    @property
    def backup(self) -> Path:
        """Where the program saves."""
        return self.folder / "backup"

    def done(self, weights: Path) -> int:
        """Updates a weights file has seen; 0 for a file that is missing or cut off."""
        if not weights.is_file() or weights.stat().st_size != self._size():
            return 0
        return open_weights(weights).seen // self.images

    def newest(self, iterations: int) -> Path | None:
        """The backup of most updates, but not more than asked for; ``None`` without any."""
        found = {path: self.done(path) for path in sorted(self.backup.glob(f"{STEM}*"))}
        usable = [path for path, done in found.items() if 0 < done <= iterations]
        return max(usable, key=lambda path: found[path], default=None)

    def _size(self) -> int:
        """Bytes of a whole backup: the program writes 64 bits of ``seen`` whatever it read."""
        start = open_weights(self.start)
        return start.size + 20 - len(start.header)


def files_of(job: TrainingJob) -> TrainFiles:
    """The files of a job: written anew, or those of the training to resume.

    Raises:
        UsageError: the program cannot hold the paths.
        DataError: the samples are no Darknet data set.
        StaleError: what is to be resumed belongs to another job.
    """
    folder = job.workspace.absolute() / "darknet"
    kind = "detector" if heads_of(job.network) else "classifier"
    files = TrainFiles(folder, kind, job.recipe.batch_size * job.recipe.accumulate)
    _check_path(files.backup)
    samples = _listed(job)
    digest = _digest(job)
    if job.resume and (folder / "job").is_file():
        if (folder / "job").read_text() != digest:
            raise StaleError(
                f"{folder}: the backups belong to another network, recipe or data set; train "
                "without --resume"
            )
        _write_text(files.cfg, _recipe_text(files.cfg, job))  # more iterations than before, say
        return files
    shutil.rmtree(folder, ignore_errors=True)
    make_directory(files.backup)
    write(job.network, job.compact, Destination(folder, "compact", STEM))
    _write_text(files.cfg, _recipe_text(files.cfg, job))
    _write_data(files, samples)
    _write_text(folder / "job", digest)
    return files


def _check_path(backup: Path) -> None:
    if any(blank in str(backup) for blank in " \t"):
        raise UsageError(
            f"{backup}: Darknet drops the blanks of paths in .data files; choose a --workspace "
            "without blanks"
        )
    if len(os.fsencode(backup)) > LONGEST:
        raise UsageError(
            f"{backup}: Darknet cannot hold backup paths of more than {LONGEST} bytes; choose a "
            "shorter --workspace"
        )


def _listed(job: TrainingJob) -> ListedImages:
    if not isinstance(job.training, ListedImages):
        raise DataError(
            "trainer darknet reads images itself: give a Darknet .data file with --train-data"
        )
    return job.training


def _recipe_text(cfg: Path, job: TrainingJob) -> str:
    """The compact cfg with the ``[net]`` of the recipe and what the job changes in it.

    Without the carriage returns of Windows, which the program takes for part of the values.
    """
    origin, recipe = job.network.origin, job.recipe
    assert isinstance(origin, Origin)
    shape = origin.structure.input
    text = recipe_text(origin, compact_text(origin, job.compact)).replace("\r", "")
    parsed = parse_cfg(text, cfg)
    warm_up = {"burn_in": recipe.learning_rate.warm_up} if parsed.net.has("burn_in") else {}
    return parsed.with_net(
        {
            **warm_up,
            "batch": recipe.batch_size * recipe.accumulate,
            "subdivisions": recipe.accumulate,
            "max_batches": recipe.iterations,
            "learning_rate": recipe.learning_rate.base,
            "width": shape.w,
            "height": shape.h,
        }
    )


def _write_data(files: TrainFiles, samples: ListedImages) -> None:
    """The list keeps its paths as written: the program finds labels by replacing parts."""
    listed = files.folder / "train.txt"
    _write_text(listed, "".join(f"{entry.text}\n" for entry in samples.entries))
    lines = [f"train={listed}", f"backup={files.backup}"]
    if isinstance(samples, ClassifierDataset):
        labels = files.folder / "labels.txt"
        _write_text(labels, "".join(f"{name}\n" for name in samples.names))
        lines += [f"classes={len(samples.names)}", f"labels={labels}"]
    _write_text(files.data, "\n".join(lines) + "\n")


def _digest(job: TrainingJob) -> str:
    """Settings that backups must match to be continued; the number of iterations may change."""
    digests = job_digests(job)
    return joined(*(digests[part] for part in ("network", "recipe", "data set")))


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise PrunusError(f"{path}: cannot write ({error.strerror})") from error
