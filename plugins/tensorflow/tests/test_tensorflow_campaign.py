"""Damaged files of every kind: read or refused in one line, and what is written loads.

``PRUNUS_CAMPAIGN`` is the number of tries of each kind; every try is one seed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prunus_tensorflow.testing.damage.good import make_good
from prunus_tensorflow.testing.damage.trial import KINDS, tried

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytestmark = pytest.mark.tensorflow

TRIES = int(os.environ.get("PRUNUS_CAMPAIGN", "4"))

# Seeds that once ended in an internal error, a long message, or a file that did not load.
FAULTS = (
    ("meta", 2),  # recorded output shapes of another number
    ("meta", 9),  # recorded output shapes that were stale before
    ("saved", 7),  # a node that is read and not there
    ("pb", 21),  # a type its operator does not take
    ("pb", 118),  # filters that are no multiple of their groups
    ("pbtxt", 26),  # a node without a name
    ("pbtxt", 115),  # a message with the whole damaged line
    ("pbtxt-bytes", 102),  # text that ends in the middle of a tensor
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_good(tmp_path_factory.mktemp("campaign") / "good")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_sound_files_are_read(kind: str, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import attrs

    monkeypatch.setitem(KINDS, kind, attrs.evolve(KINDS[kind], damage=lambda folder, rng: None))
    assert tried(kind, 0, good) == "read"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_damage(kind: str, good: Path) -> None:
    tries = 1 if kind.startswith("h5") and "PRUNUS_CAMPAIGN" not in os.environ else TRIES
    found = {seed: tried(kind, seed, good) for seed in range(tries)}
    assert {s: text for s, text in found.items() if text not in ("read", "refused")} == {}


@pytest.mark.parametrize(("kind", "seed"), FAULTS)
def test_faults_of_the_past(kind: str, seed: int, good: Path) -> None:
    assert tried(kind, seed, good) in ("read", "refused")
