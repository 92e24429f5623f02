"""Snapshots: atomic, refused when stale, damaged ones passed over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunus.errors import PrunusError, StaleError
from prunus.training.snapshots import Snapshot, Snapshots

DIGESTS = {"network": "a", "seed": "0"}


def snapshot(iteration: int) -> Snapshot:
    array = np.full(3, iteration, np.float32)
    return Snapshot(iteration, 0.5, {"a/weight": array, "memory": array + 1})


def test_round_trip(tmp_path: Path) -> None:
    Snapshots(tmp_path, "mine", DIGESTS).save(snapshot(7))
    found = Snapshots(tmp_path, "mine", DIGESTS).newest(10)
    assert found is not None
    assert (found.iteration, found.loss) == (7, 0.5)
    assert np.array_equal(found.arrays["a/weight"], [7, 7, 7])
    assert np.array_equal(found.arrays["memory"], [8, 8, 8])


def test_two_are_kept(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, "mine", DIGESTS)
    (tmp_path / "mine_00000099.npz").write_bytes(b"of an older training")
    (tmp_path / ".mine_00000002.npz.tmp").write_bytes(b"half")
    for iteration in (1, 2, 3):
        snapshots.save(snapshot(iteration))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine_00000002.npz",
        "mine_00000003.npz",
    ]


def test_a_shorter_training_takes_an_earlier_one(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, "mine", DIGESTS)
    snapshots.save(snapshot(4))
    snapshots.save(snapshot(8))
    found = snapshots.newest(6)
    assert found is not None
    assert found.iteration == 4


@pytest.mark.parametrize("cut", [0, 1, 30, 200, 400, -1])
def test_damage_falls_back_or_says_so(tmp_path: Path, cut: int) -> None:
    snapshots = Snapshots(tmp_path, "mine", DIGESTS)
    snapshots.save(snapshot(4))
    path = snapshots.save(snapshot(8))
    path.write_bytes(path.read_bytes()[:cut])
    found = snapshots.newest(10)
    assert found is not None
    assert found.iteration == 4
    (tmp_path / "mine_00000004.npz").unlink()
    with pytest.raises(StaleError) as caught:
        snapshots.newest(10)
    assert str(caught.value).startswith(f"{path}: damaged snapshot (")
    assert str(caught.value).endswith("); remove it or train without --resume")
    assert "\n" not in str(caught.value)


def test_flipped_bytes_never_end_in_a_traceback(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, "mine", DIGESTS)
    path = snapshots.save(snapshot(8))
    whole = path.read_bytes()
    draw, said = np.random.default_rng(0), list[str]()
    for _ in range(60):
        broken = bytearray(whole)
        broken[draw.integers(len(whole))] ^= 1 << int(draw.integers(8))
        path.write_bytes(bytes(broken))
        try:
            found = snapshots.newest(10)
        except StaleError as error:
            said.append(str(error))
            continue
        assert found is None or np.array_equal(found.arrays["a/weight"], [8, 8, 8])
    assert said
    assert not any("\n" in message for message in said)


@pytest.mark.parametrize("what", ["network", "seed"])
def test_stale(tmp_path: Path, what: str) -> None:
    path = Snapshots(tmp_path, "mine", DIGESTS).save(snapshot(3))
    with pytest.raises(StaleError) as caught:
        Snapshots(tmp_path, "mine", {**DIGESTS, what: "x"}).newest(10)
    assert str(caught.value) == (
        f"{path}: the snapshot belongs to another {what}; train without --resume"
    )


def test_full_disk_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = Snapshots(tmp_path, "mine", DIGESTS)
    old = snapshots.save(snapshot(3))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PrunusError) as caught:
        snapshots.save(snapshot(6))
    path = tmp_path / "mine_00000006.npz"
    assert str(caught.value) == (
        f"{path}: cannot write the snapshot (No space left on device); older ones are kept"
    )
    assert list(tmp_path.iterdir()) == [old]
