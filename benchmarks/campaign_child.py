"""One worker of the campaign: damages a file, runs the commands, tells the outcome.

Reads ``kind seed`` lines on stdin and answers one JSON line each. The process that started it
kills it when a try takes too long.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import traceback
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from campaign_damage import Draw, damaged
from campaign_subjects import SUBJECTS, Subject

from prunus import cli

_PLACE = re.compile(r"error: (?!internal)[^ :']+: ")
FILE_CODES = (1, 2, 3, 4, 7)
"""Exit codes whose message names a file."""


def main(folder: Path, extra: int) -> None:
    """Serve tries.

    Args:
        folder: Sound files of each kind are made below it once.
        extra: Bytes a try may allocate beyond what the first one needed.
    """
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libraries in C print, too
        os.dup2(nowhere, stream)
    ready: set[str] = set()
    for line in sys.stdin:
        kind, seed = line.rsplit(" ", 1)
        if kind not in ready:
            ready.add(kind)
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            _prepare(kind, folder)
            limit = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + extra
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        answers.write(json.dumps(one_try(kind, int(seed), folder)) + "\n")
        answers.flush()


def _prepare(kind: str, folder: Path) -> None:
    """The sound files, and all imports the commands need."""
    make = SUBJECTS[kind].make
    files = folder / make.__name__
    if not files.exists():
        building = Path(tempfile.mkdtemp(dir=folder))
        os.chdir(building)
        make()
        os.chdir(folder)
        if not files.exists():
            building.rename(files)
    found = one_try(kind, -1, folder)
    if found["outcome"] != "accepted":
        raise RuntimeError(f"sound files of '{kind}': {found}")


def one_try(kind: str, seed: int, folder: Path) -> dict[str, Any]:
    """Damage a copy and run the commands; seed -1 damages nothing."""
    subject = SUBJECTS[kind]
    home = Path(tempfile.mkdtemp(prefix="try-"))
    try:
        files = home / "files"
        shutil.copytree(folder / subject.make.__name__, files, symlinks=True)
        os.chdir(files)
        name = _damage(subject, seed, kind)
        return {"kind": kind, "seed": seed, "file": name, **_outcome(subject, name, home)}
    finally:
        os.chdir("/")
        databases = sys.modules.get("prunus_caffe.datasets.databases")
        if databases is not None:
            # LMDB takes a new directory that has the number of a removed one for the old one
            databases._opened.cache_clear()
        shutil.rmtree(home, ignore_errors=True)


def _damage(subject: Subject, seed: int, kind: str) -> str:
    draw = np.random.default_rng([max(seed, 0), *kind.encode()])
    pattern, _, member = subject.targets[draw.integers(len(subject.targets))].partition("!")
    found = sorted(path for path in Path().glob(pattern) if path.is_file())
    path = found[draw.integers(len(found))]
    if seed < 0:
        return str(path)
    if member:
        _in_archive(path, member, draw, subject.form)
    else:
        path.write_bytes(damaged(path.read_bytes(), draw, subject.form))
    return str(path)


def _in_archive(path: Path, member: str, draw: Draw, form: str) -> None:
    with zipfile.ZipFile(path) as old:
        parts = {info.filename: old.read(info) for info in old.infolist()}
    parts[member] = damaged(parts[member], draw, form)
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)


def _outcome(subject: Subject, name: str, home: Path) -> dict[str, Any]:
    said = ""
    for words in subject.commands:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = cli.run(list(words))
            except BaseException:  # noqa: BLE001  the campaign looks for just this
                return {"outcome": "internal", "said": traceback.format_exc()[-2000:]}
        said = err.getvalue()
        outside = [path.name for path in home.iterdir() if path.name != "files"]
        if outside:
            return {"outcome": "escaped", "said": f"wrote {outside}"}
        if code:
            return _refusal(code, said, name, words)
    return _judged(subject, said)


def _refusal(code: int, said: str, name: str, words: tuple[str, ...]) -> dict[str, Any]:
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    found = {"step": words[0], "code": code, "said": (lines or [said])[-1][:1000]}
    if code == 70:
        return {"outcome": "internal", **found}
    if "not enough memory" in said:
        return {"outcome": "memory", **found}
    known = {Path(name).name, *(Path(word).name for word in words), "state.json", "ws"}
    named = code not in FILE_CODES or _PLACE.match(lines[-1] if lines else "") is not None
    named = named or any(one in said for one in known) or (code == 2 and "--" in said)
    clear = len(lines) == 1 and len(lines[0]) <= 300 and named and lines[0].isprintable()
    return {"outcome": "refused" if clear else "unclear", **found}


def _judged(subject: Subject, said: str) -> dict[str, Any]:
    """Whether the framework loads what was written, where it loads what was read."""
    from campaign_judges import JUDGES

    if subject.judge is None:
        return {"outcome": "accepted"}
    why = JUDGES[subject.judge]()
    return {"outcome": "accepted"} if why is None else {"outcome": "unloadable", "said": why[:500]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
