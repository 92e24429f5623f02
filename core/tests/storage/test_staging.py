from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prunus.errors import ModelError, PrunusError
from prunus.storage import staging as stages
from prunus.storage.staging import clear, staged


def contents(directory: Path) -> dict[str, str]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


def writing(folder: Path) -> None:
    with staged(folder) as stage:
        raise ModelError(f"{stage}/net.cfg: cannot be written")


def test_a_format_speaks_of_the_place_of_its_file(folder):
    with pytest.raises(ModelError) as caught:
        writing(folder)
    assert str(caught.value) == f"{folder}/net.cfg: cannot be written"


def test_files_and_directories_move_to_their_place(folder):
    with staged(folder) as stage:
        (stage / "same.txt").write_text("after")
        (stage / "model").mkdir()
        (stage / "model/other").write_text("after")
        assert contents(folder)["same.txt"] == "before"
    assert contents(folder) == {"old.txt": "old", "same.txt": "after", "model/other": "after"}


def failing(folder: Path, error: Exception) -> None:
    with staged(folder) as stage:
        (stage / "same.txt").write_text("after")
        raise error


def test_an_error_changes_nothing(folder):
    before = contents(folder)
    with pytest.raises(ValueError, match="half way"):
        failing(folder, ValueError("half way"))
    assert contents(folder) == before


def test_a_full_disk_changes_nothing(folder):
    before = contents(folder)
    with pytest.raises(PrunusError) as caught:
        failing(folder, OSError(errno.ENOSPC, "No space left on device"))
    assert str(caught.value) == (
        f"{folder}: cannot write (No space left on device); nothing was changed"
    )
    assert contents(folder) == before


def test_a_directory_is_replaced_and_its_old_files_are_gone(folder):
    for name in ("old", "new"):
        with staged(folder) as stage:
            (stage / "model").mkdir()
            (stage / "model" / name).write_text(name)
    assert [path.name for path in (folder / "model").iterdir()] == ["new"]
    assert not list(folder.glob(".*"))


def test_a_directory_takes_the_place_of_a_file(folder):
    with staged(folder) as stage:
        (stage / "same.txt").mkdir()
        (stage / "same.txt/part").write_text("after")
    assert contents(folder) == {"old.txt": "old", "model/part": "before", "same.txt/part": "after"}


def write_model(folder: Path) -> None:
    with staged(folder) as stage:
        (stage / "aaa").write_text("after")
        (stage / "model").write_text("after")


def test_a_file_does_not_take_the_place_of_a_directory(folder):
    """It may hold anything."""
    before = contents(folder)
    with pytest.raises(PrunusError) as caught:
        write_model(folder)
    assert str(caught.value) == (
        f"{folder}/model: is a directory, and a file is to be written there; nothing was changed"
    )
    assert contents(folder) == before
    assert not list(folder.glob(".*"))


def test_a_directory_nobody_may_write_to(folder, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(stages.tempfile, "mkdtemp", refuse)
    with pytest.raises(PrunusError) as caught, staged(folder):
        pass
    assert str(caught.value) == f"{folder}: cannot write (Permission denied); nothing was changed"


DIES = """
import os, signal, sys
from pathlib import Path
from prunus.storage.staging import staged

folder, moves = Path(sys.argv[1]), int(sys.argv[2])
move = os.replace

def last(source, target):
    global moves
    if not moves:
        os.kill(os.getpid(), signal.SIGKILL)
    moves -= 1
    move(source, target)

with staged(folder) as stage:
    (stage / "model").mkdir()
    (stage / "model/part").write_text("after")
    (stage / "same.txt").write_text("after")
    if moves < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.replace = last
"""


@pytest.mark.parametrize("moves", [-1, 0, 1, 2])
def test_a_kill(folder, moves):
    """Before it is complete, or after this many of its three renames."""
    before = contents(folder)
    done = subprocess.run([sys.executable, "-c", DIES, str(folder), str(moves)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(folder.glob(".*"))
    clear(folder)
    after = {"old.txt": "old", "same.txt": "after", "model/part": "after"}
    assert contents(folder) == (before if moves < 0 else after)
    assert not list(folder.glob(".*"))


def test_what_a_killed_process_left_goes_with_the_next_output(folder):
    (folder / ".staged-left").mkdir()
    (folder / ".staged-left/same.txt").write_text("half")
    with staged(folder) as stage:
        assert [path.name for path in folder.glob(".*")] == [stage.name]
    assert contents(folder)["same.txt"] == "before"


def test_the_stage_of_a_living_process_is_left_alone(folder):
    lives = (
        "import sys; from pathlib import Path; from prunus.storage.staging import staged\n"
        "with staged(Path(sys.argv[1])) as stage:\n"
        "    (stage / 'same.txt').write_text('after')\n"
        "    print('ready', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", lives, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        with staged(folder) as stage:
            (stage / "model").mkdir()
        process.communicate()
    assert process.returncode == 0
    assert contents(folder) == {"old.txt": "old", "same.txt": "after"}
    assert not list(folder.glob(".*"))


def test_many_at_once_in_one_directory(folder):
    def write(number: int) -> None:
        for _ in range(20):
            with staged(folder) as stage:
                (stage / f"{number}.txt").write_text(str(number))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [contents(folder)[f"{number}.txt"] for number in range(4)] == ["0", "1", "2", "3"]
    assert not list(folder.glob(".*"))


def test_a_file_system_without_locks(folder, monkeypatch):
    """What cannot be known to be dead stays."""

    def no_locks(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(stages.fcntl, "flock", no_locks)
    (folder / ".staged-left").mkdir()
    with staged(folder) as stage:
        (stage / "same.txt").write_text("after")
    assert contents(folder)["same.txt"] == "after"
    assert [path.name for path in folder.glob(".*")] == [".staged-left"]
