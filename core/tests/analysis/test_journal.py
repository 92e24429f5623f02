from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from prunus.analysis.journal import Journal, plain, restored
from prunus.errors import PrunusError

KEY = {"weights": "a", "data": "b"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ana.partial.jsonl"


def test_pieces_come_back(path):
    journal = Journal(path, KEY)
    assert journal.start() == {}
    journal.write("0", [1, 2])
    journal.write("1", {"x": 0.1})
    assert Journal(path, KEY).start() == {"0": [1, 2], "1": {"x": 0.1}}


def test_a_half_written_line_is_dropped_and_written_again(path):
    journal = Journal(path, KEY)
    journal.start()
    journal.write("0", 1)
    with path.open("a") as file:
        file.write('{"piece": "1", "value": 2')
    assert journal.start() == {"0": 1}
    journal.write("1", 3)
    assert journal.read() == {"0": 1, "1": 3}


def test_a_line_without_its_end_may_be_half_a_number(path):
    journal = Journal(path, KEY)
    journal.start()
    with path.open("a") as file:
        file.write('{"piece": "0", "value": 1}')  # complete, but the kill came before the end
    assert journal.read() == {}


def damaged(line):
    """Every kind of damage to one line."""
    yield b"\xff" + line[1:]
    yield line[: len(line) // 2]
    yield line.replace(b'"value"', b'"valve"')
    yield line.replace(b'"piece"', b'"peace"')
    yield line.replace(b'"shape"', b'"shale"')
    yield line.replace(b"float64", b"float99")
    yield line.replace(b"0.25", b"0.75")
    yield line.replace(b"0.25", b"7" * 5000)
    yield line.replace(b"[2]", b"[2.5]")
    yield b"[" * 100_000
    yield b'"text"'


def test_a_damaged_line_is_said_and_measured_again(path):
    journal = Journal(path, KEY)
    journal.start()
    journal.write("0", {"group": plain(np.array([0.25, 1]))})
    journal.write("1", 3)
    assert journal.damage() is None
    head, line, last, _ = path.read_bytes().split(b"\n")
    for changed in damaged(line):
        path.write_bytes(b"\n".join([head, changed, last, b""]))
        assert journal.read() == {"1": 3}
        wanted = f"{path}: 1 damaged lines are left out, and measured again"
        assert journal.damage() == wanted
    assert journal.start() == {"1": 3}
    assert journal.damage() is None


def test_a_damaged_head_leaves_nothing(path):
    journal = Journal(path, KEY)
    journal.start()
    journal.write("0", 1)
    line = path.read_bytes().split(b"\n")[1]
    path.write_bytes(b"\xff\n" + line + b"\n")
    assert journal.read() == {}
    assert journal.damage() == f"{path}: 2 damaged lines are left out, and measured again"
    other = Journal(path, {"weights": "c"})
    other.start()
    other.write("0", 1)
    assert journal.read() == {}
    assert journal.damage() is None  # of another measurement, which is no damage


def test_a_line_of_another_measurement_is_none_of_this(path):
    journal, other = Journal(path, KEY), Journal(path, {"weights": "c"})
    other.start()
    other.write("0", 1)
    line = path.read_bytes().split(b"\n")[1]
    journal.start()
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert journal.read() == {}


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"piece": "0", "value": 1}\n', "[1]\n3\n"])
def test_files_that_are_no_journal(path, text):
    path.write_text(text)
    assert Journal(path, KEY).start() == {}


def test_another_key_starts_anew(path):
    old = Journal(path, KEY)
    old.start()
    old.write("0", 1)
    new = Journal(path, {**KEY, "data": "c"})
    assert new.start() == {}
    assert old.read() == {}  # the file is the new one's now


def test_later_values_of_a_piece_win(path):
    journal = Journal(path, KEY)
    journal.start()
    journal.write("0", 1)
    journal.write("0", 2)
    assert journal.read() == {"0": 2}


def test_nothing_is_kept_without_a_path():
    journal = Journal(None, KEY)
    assert journal.start() == {}
    journal.write("0", 1)
    assert journal.read() == {}
    journal.remove()


def test_the_file_goes_when_its_work_is_done(path):
    journal = Journal(path, KEY)
    journal.start()
    journal.remove()
    journal.remove()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "value",
    [
        1 / 3,
        True,
        None,
        "text",
        [0.1, [2, "x"]],
        {"a": [1.5], "dict": 2},
        np.zeros((0, 3), np.float32),
        np.array([1 / 3, 1e-300]),
        np.array(5, np.int64),
    ],
    ids=str,
)
def test_observations_there_and_back(value):
    found = restored(json.loads(json.dumps(plain(value))))
    if isinstance(value, np.ndarray):
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        assert np.array_equal(found, value)
    else:
        assert found == value


def test_numpy_scalars_become_numbers_and_tuples_lists():
    assert restored(plain((np.float64(0.5), np.int64(3)))) == [0.5, 3]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_named(tmp_path):
    path = tmp_path / "partial.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(PrunusError) as error:
        Journal(path, {}).write("0", 1)
    assert str(error.value) == (
        f"{path}: cannot be written (No space left on device); what is measured so far is kept, "
        "and the same command goes on"
    )
