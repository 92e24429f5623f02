from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import StaleError, UsageError
from prunus.network import Source, Written
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.settings import Settings
from prunus.steps.workspace import Workspace, workspace_of
from prunus.task import Measurement


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Workspace(Path("ws"))


def test_an_empty_one_holds_nothing_and_makes_nothing(workspace):
    assert workspace.state() == {}
    assert workspace.recall("original") is None
    assert workspace.sensitivity() is None
    assert not workspace.path.exists()


def test_models_are_remembered_from_any_directory(workspace, tmp_path, monkeypatch):
    workspace.remember("original", Source(Path("net.cfg"), Path("net.weights"), {"a": "b"}))
    workspace.remember("pruned", Written(Path("ws/net.onnx"), None), directory="d", changed=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = Workspace(tmp_path / "ws")
    assert again.recall("original") == Source(tmp_path / "net.cfg", tmp_path / "net.weights")
    assert again.recall("pruned") == Source(tmp_path / "ws/net.onnx", None)
    assert again.state()["pruned"]["changed"] is True


def test_updates_keep_the_rest_and_can_forget(workspace):
    workspace.update(a=1, b=2)
    workspace.update(b=None)
    assert workspace.state() == {"a": 1, "b": None}
    assert workspace.recall("b") is None


def test_options_of_earlier_steps_hold_unless_said_anew(workspace):
    workspace.update(options={"norm": "new", "shape": "3x8x8"})
    found = workspace.with_options(Settings(options={"norm": "old"}))
    assert found.options == {"norm": "old", "shape": "3x8x8"}


def test_the_recipe_and_the_data_are_found_from_any_directory(workspace, tmp_path):
    for name in ("s.prototxt", "x.data", "new"):
        (tmp_path / name).touch()
    workspace.keep_options({"solver": "s.prototxt", "data": "x.data", "norm": "new"})
    assert workspace.state()["options"] == {
        "solver": str(tmp_path / "s.prototxt"), "data": str(tmp_path / "x.data"), "norm": "new"
    }  # fmt: skip
    workspace.keep_options({"data": "package:samples"})
    assert workspace.state()["options"] == {"data": "package:samples"}


def test_an_analysis_is_kept_exactly(workspace):
    curve = Curve("conv1", 8, (Point(0.1, 7, 1 / 3, 0.001), Point(0.5, 4, -0.2, 0.0)))
    stored = Sensitivity(
        "loss", False, Measurement(0.1 + 0.2, 0.01), (curve,), {"structure": "s", "weights": "x"}
    )
    workspace.save_sensitivity(stored)
    found = workspace.sensitivity()
    assert found.curves == stored.curves
    assert found.to_json() == stored.to_json()


def test_an_analysis_of_another_version(workspace):
    workspace.path.mkdir()
    workspace.sensitivity_file.write_text('{"metric": "top-1"}')
    with pytest.raises(StaleError) as caught:
        workspace.sensitivity()
    assert str(caught.value) == (
        "ws/ana.json: not a result of this version ('curves'); run 'prunus ana' again"
    )


@pytest.mark.parametrize("key", [{}, {"structure": "x"}])
def test_an_analysis_without_its_digests(workspace, key):
    workspace.save_sensitivity(Sensitivity("loss", False, Measurement(0.5, 0.01), (), key))
    with pytest.raises(StaleError, match="^ws/ana.json: not a result of this version "):
        workspace.sensitivity()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "no object"),
        ("null", "no object"),
        ('{"pruned": {"model": "x"}}', "'weights'"),
        ('{"pruned": {"model": "x", "weights": null}}', "'directory'"),
        ('{"pruned": 3}', "'int' object is not subscriptable"),
        ('{"pruned": {"model": 5, "weights": null}}', "expected str, bytes or os.PathLike object, not int"),
    ],
)  # fmt: skip
def test_a_state_of_another_version(workspace, text, why):
    workspace.path.mkdir()
    workspace.state_file.write_text(text)
    with pytest.raises(StaleError) as caught:
        (workspace.recall("pruned"), workspace.round_of("pruned"))
    assert str(caught.value) == (
        f"ws/state.json: not of this version ({why}); remove it and prune again"
    )


def test_the_ancestors_name_of_the_analysis():
    named = workspace_of(Settings(workspace=Path("w"), options={"ana_out_file": "ana.out"}))
    assert named.sensitivity_file == Path("w/ana.out")


def test_no_workspace():
    with pytest.raises(UsageError) as caught:
        workspace_of(Settings())
    assert str(caught.value) == (
        "no workspace given; use --workspace DIR or name it in the configuration"
    )


def test_what_killed_steps_left_is_cleared(workspace):
    kept = ("ana.json", "rate_0.5/net.onnx", "mine/.hidden/x")
    left = (".staged-a/x", "rate_0.5/.staged-b/x", "rate_0.5/snapshots/.staged-c/deep/x")
    for name in (*kept, *left):
        (workspace.path / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.path / name).write_text("x")
    workspace_of(Settings(workspace=workspace.path))
    files = (path for path in workspace.path.rglob("*") if path.is_file())
    assert {str(path.relative_to(workspace.path)) for path in files} == set(kept)
