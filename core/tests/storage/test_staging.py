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


def writing(place: Path) -> None:
    with staged(place) as stage:
        raise ModelError(f"{stage}/net.cfg: cannot be written")


def test_a_format_speaks_of_the_place_of_its_file(place):
    with pytest.raises(ModelError) as caught:
        writing(place)
    assert str(caught.value) == f"{place}/net.cfg: cannot be written"


def test_files_and_directories_move_to_their_place(place):
    with staged(place) as stage:
        (stage / "same.txt").write_text("after")
        (stage / "model").mkdir()
        (stage / "model/other").write_text("after")
        assert contents(place)["same.txt"] == "before"
    assert contents(place) == {"old.txt": "old", "same.txt": "after", "model/other": "after"}


def failing(place: Path, error: Exception) -> None:
    with staged(place) as stage:
        (stage / "same.txt").write_text("after")
        raise error


def test_an_error_changes_nothing(place):
    before = contents(place)
    with pytest.raises(ValueError, match="half way"):
        failing(place, ValueError("half way"))
    assert contents(place) == before


def test_a_full_disk_changes_nothing(place):
    before = contents(place)
    with pytest.raises(PrunusError) as caught:
        failing(place, OSError(errno.ENOSPC, "No space left on device"))
    assert str(caught.value) == (
        f"{place}: cannot write (No space left on device); nothing was changed"
    )
    assert contents(place) == before


def test_a_directory_is_replaced_and_its_old_files_are_gone(place):
    for name in ("old", "new"):
        with staged(place) as stage:
            (stage / "model").mkdir()
            (stage / "model" / name).write_text(name)
    assert [path.name for path in (place / "model").iterdir()] == ["new"]
    assert not list(place.glob(".*"))


def test_a_directory_takes_the_place_of_a_file(place):
    with staged(place) as stage:
        (stage / "same.txt").mkdir()
        (stage / "same.txt/part").write_text("after")
    assert contents(place) == {"old.txt": "old", "model/part": "before", "same.txt/part": "after"}


def write_model(place: Path) -> None:
    with staged(place) as stage:
        (stage / "aaa").write_text("after")
        (stage / "model").write_text("after")


def test_a_file_does_not_take_the_place_of_a_directory(place):
    """It may hold anything."""
    before = contents(place)
    with pytest.raises(PrunusError) as caught:
        write_model(place)
    assert str(caught.value) == (
        f"{place}/model: is a directory, and a file is to be written there; nothing was changed"
    )
    assert contents(place) == before
    assert not list(place.glob(".*"))


def test_a_directory_nobody_may_write_to(place, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(stages.tempfile, "mkdtemp", refuse)
    with pytest.raises(PrunusError) as caught, staged(place):
        pass
    assert str(caught.value) == f"{place}: cannot write (Permission denied); nothing was changed"


DIES = """
import os, signal, sys
from pathlib import Path
from prunus.storage.staging import staged

place, moves = Path(sys.argv[1]), int(sys.argv[2])
move = os.replace

def last(source, target):
    global moves
    if not moves:
        os.kill(os.getpid(), signal.SIGKILL)
    moves -= 1
    move(source, target)

with staged(place) as stage:
    (stage / "model").mkdir()
    (stage / "model/part").write_text("after")
    (stage / "same.txt").write_text("after")
    if moves < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.replace = last
"""


@pytest.mark.parametrize("moves", [-1, 0, 1, 2])
def test_a_kill(place, moves):
    """Before it is complete, or after this many of its three renames."""
    before = contents(place)
    done = subprocess.run([sys.executable, "-c", DIES, str(place), str(moves)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(place.glob(".*"))
    clear(place)
    after = {"old.txt": "old", "same.txt": "after", "model/part": "after"}
    assert contents(place) == (before if moves < 0 else after)
    assert not list(place.glob(".*"))


def test_what_a_killed_process_left_goes_with_the_next_output(place):
    (place / ".staged-left").mkdir()
    (place / ".staged-left/same.txt").write_text("half")
    with staged(place) as stage:
        assert [path.name for path in place.glob(".*")] == [stage.name]
    assert contents(place)["same.txt"] == "before"


def test_the_stage_of_a_living_process_is_left_alone(place):
    lives = (
        "import sys; from pathlib import Path; from prunus.storage.staging import staged\n"
        "with staged(Path(sys.argv[1])) as stage:\n"
        "    (stage / 'same.txt').write_text('after')\n"
        "    print('ready', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", lives, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        with staged(place) as stage:
            (stage / "model").mkdir()
        process.communicate()
    assert process.returncode == 0
    assert contents(place) == {"old.txt": "old", "same.txt": "after"}
    assert not list(place.glob(".*"))


def test_many_at_once_in_one_directory(place):
    def write(number: int) -> None:
        for _ in range(20):
            with staged(place) as stage:
                (stage / f"{number}.txt").write_text(str(number))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [contents(place)[f"{number}.txt"] for number in range(4)] == ["0", "1", "2", "3"]
    assert not list(place.glob(".*"))


def test_a_file_system_without_locks(place, monkeypatch):
    """What cannot be known to be dead stays."""

    def no_locks(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(stages.fcntl, "flock", no_locks)
    (place / ".staged-left").mkdir()
    with staged(place) as stage:
        (stage / "same.txt").write_text("after")
    assert contents(place)["same.txt"] == "after"
    assert [path.name for path in place.glob(".*")] == [".staged-left"]
