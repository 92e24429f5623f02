"""The conformance kit on toy networks, and what users see of the format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("prunus_toy", reason="pip install -e examples/toy_format first")

from prunus.plugin import Source, run
from prunus.testing import Examples, Unknown, format_checks
from prunus.testing.command_line import refused

SMALL = """\
# two convolutions, one of them added to its input
input data channels=3 height=8 width=8
conv  c1 filters=8 size=3 pad=1
relu  r1
conv  c2 my-filters=8 filters=8 size=3 pad=1   # was filters=8
add   sum from=r1,c2
pool  p1
conv  c3 filters=12 size=3 stride=1
relu  r3
dense d1 outputs=10
relu  r4
dense d2 outputs=4
"""
COUNT = 8 * 27 + 8 + 8 * 72 + 8 + 12 * 72 + 12 + 48 * 10 + 10 + 40 + 4


def save(folder: Path, text: str = SMALL, count: int = COUNT) -> Source:
    """A network with random weights."""
    model, weights = folder / "net.toy", folder / "net.weights"
    model.write_text(text, encoding="utf-8")
    draw = np.random.default_rng(0).normal(0, 0.3, count)
    weights.write_bytes(draw.astype("<f4").tobytes())
    return Source(model, weights)


FOLDER = Path(tempfile.mkdtemp(prefix="prunus-toy-"))
UNKNOWN = Unknown(save(Path(tempfile.mkdtemp()), f"{SMALL}blur b from=r1\n"), ("b",))
JOB = FOLDER / "job.toyprune"
JOB.write_text("network net.toy\nremove 0.4\nkeep_whole c3\n", encoding="utf-8")
CHECKS = format_checks("toy", [save(FOLDER)], UNKNOWN, examples=Examples(settings=(JOB,)))


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save(Path())


BASE = ("prune", "--model", "net.toy", "--workspace", "ws", "--rate", "0.5")


def test_only_the_numbers_of_the_text_change(net):
    assert run([*BASE, "--best-effort"]) == 0
    assert run(["transform", "--model", "net.toy", "--workspace", "ws", "--output", "small"]) == 0
    lines = Path("small/net.toy").read_text(encoding="utf-8").splitlines()
    assert lines[4] == "conv  c2 my-filters=8 filters=6 size=3 pad=1   # was filters=8"
    assert lines[-1] == SMALL.splitlines()[-1]


@pytest.mark.parametrize("output", ["small.toy", "small.weights"])
def test_output_names_a_file_by_an_ending_of_the_format(net, output):
    assert run([*BASE, "--best-effort"]) == 0
    assert run(["transform", "--model", "net.toy", "--workspace", "ws", "--output", output]) == 0
    assert sorted(path.name for path in Path().glob("small*")) == ["small.toy", "small.weights"]


def test_leading_zeros_are_no_part_of_a_number(net):
    zeros = "0" * 5000
    net.model.write_text(SMALL.replace("c3 filters=", f"c3 filters={zeros}"), encoding="utf-8")
    assert run([*BASE, "--best-effort"]) == 0
    assert f"c3 filters={zeros}12" in Path("ws/rate_0.5/masked.toy").read_text(encoding="utf-8")


def test_settings_of_the_older_tool(net):
    Path("job.toyprune").write_bytes(JOB.read_bytes())
    assert run(["prune", "--config", "job.toyprune", "--workspace", "ws"]) == 0
    Path("job.toyprune").write_text("remove 2\n", encoding="utf-8")
    message = "error: job.toyprune: remove '2'; give a number from 0 to below 1"
    assert refused("prune", "--config", "job.toyprune") == (2, message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("c1 filters=8", "c1", "line 3: layer 'c1' has no filters=; add it"),
        ("c1 filters=8", "c1 filters=0", "line 3: filters='0'; give a whole number from 1"),
        ("c1 filters=8", "c1 filters=00000000000199999999999",
         "line 3: filters='00000000000199999999999'; give a whole number from 1"),
        ("c1 filters=8", "c1 width=8", "line 3: layer 'c1' has the unknown key 'width'; remove it"),
        ("r1,c2", "r1,c9", "line 6: layer 'sum' takes its input from 'c9', no known layer above it"),
        ("c3 filters=12 size=3", "c3 filters=12 size=9",
         "line 8: layer 'c3' has size=9, larger than its input; make it smaller"),
        ("r3\n", "c3\n", "line 9: there are two layers 'c3'; rename one of them"),
    ],
)  # fmt: skip
def test_damaged_structure(net, old, new, message):
    net.model.write_text(SMALL.replace(old, new), encoding="utf-8")
    assert refused(*BASE) == (3, f"error: net.toy, {message}")


def test_weights_of_another_network(net):
    net.weights.write_bytes(net.weights.read_bytes()[:-8])
    assert refused(*BASE) == (
        3,
        f"error: net.weights: has {4 * COUNT - 8} bytes, the structure needs {4 * COUNT}; "
        "take the weights of this network, or copy them again",
    )


def test_weights_that_are_not_finite(net):
    numbers = np.frombuffer(net.weights.read_bytes(), "<f4").copy()
    numbers[-1] = np.nan
    net.weights.write_bytes(numbers.tobytes())
    assert refused(*BASE) == (
        3,
        "error: net.weights: layer 'd2': the bias holds NaN or infinite numbers; "
        "take weights of a training that did not diverge",
    )
