from __future__ import annotations

import json
from pathlib import Path

import pytest

from prunus.errors import StaleError, UsageError
from prunus.network import Source, TaskNames, Written
from prunus.sensitivity import Curve, Point, Sensitivity
from prunus.settings import Settings
from prunus.steps.state import NetworkFiles, State
from prunus.steps.workspace import Workspace, workspace_of
from prunus.task import Measurement


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Workspace(Path("ws"))


def test_an_empty_one_holds_nothing_and_makes_nothing(workspace):
    assert workspace.state() == State()
    assert workspace.recall("original") is None
    assert workspace.sensitivity() is None
    assert not workspace.path.exists()


def test_models_are_remembered_from_any_directory(workspace, tmp_path, monkeypatch):
    workspace.remember("original", Source(Path("net.cfg"), Path("net.weights"), {"a": "b"}))
    workspace.remember("pruned", Written(Path("ws/net.onnx"), None), Path("ws/d"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = Workspace(tmp_path / "ws")
    assert again.recall("original") == Source(tmp_path / "net.cfg", tmp_path / "net.weights")
    assert again.recall("pruned") == Source(tmp_path / "ws/net.onnx", None)
    assert again.round_of("pruned") == tmp_path / "ws/d"
    assert again.state().pruned == NetworkFiles("net.onnx", None, "d", changed=True)


def test_updates_keep_the_rest_and_can_forget(workspace):
    workspace.update(options={"a": "b"}, pruned=NetworkFiles("x", None))
    workspace.update(pruned=None)
    assert workspace.state() == State(options={"a": "b"})
    assert workspace.recall("pruned") is None


def test_options_of_earlier_steps_hold_unless_said_anew(workspace):
    workspace.update(options={"norm": "new", "shape": "3x8x8"})
    found = workspace.with_options(Settings(options={"norm": "old"}))
    assert found.options == {"norm": "old", "shape": "3x8x8"}


def test_the_recipe_and_the_data_are_found_from_any_directory(workspace, tmp_path):
    workspace.path.mkdir()
    for name in ("ws/s.prototxt", "x.data", "new"):
        (tmp_path / name).touch()
    task = TaskNames(Path("ws/s.prototxt"), "top-5", "x.data")
    workspace.keep_options(
        Settings(
            earlier=task,
            train_data="x.data:mean=1/2,scale=0.5",
            samples=3,
            options={"norm": "new"},
        )
    )
    assert workspace.state() == State(
        {"norm": "new"},
        "s.prototxt",
        "top-5",
        data_path=str(tmp_path / "x.data"),
        train_data_path=str(tmp_path / "x.data") + ":mean=1/2,scale=0.5",
        samples=3,
    )
    workspace.path.rename(tmp_path / "moved")
    found = Workspace(tmp_path / "moved").with_options(Settings(metric="map"))
    assert found.options == {"norm": "new"}
    state = tmp_path / "moved/state.json"
    assert found.origins == {
        "options.norm": state,
        "solver": state,
        "data": state,
        "train_data": state,
    }
    assert found.task == TaskNames(tmp_path / "moved/s.prototxt", "map", str(tmp_path / "x.data"))
    assert (found.solver, found.data) == (None, None)
    assert found.train_data == str(tmp_path / "x.data") + ":mean=1/2,scale=0.5"
    assert (found.samples, found.earlier_samples) == (None, 3)


def test_data_that_is_no_file_stays_as_it_is(workspace):
    workspace.keep_options(Settings(data="package:samples"))
    assert workspace.state() == State(data="package:samples")
    assert workspace.with_options(Settings()).task == TaskNames(data="package:samples")


def test_a_state_of_an_older_version_holds_absolute_paths(workspace, tmp_path):
    workspace.path.mkdir()
    round_ = tmp_path / "ws/rate_0.5"
    files = {"model": f"{round_}/net.onnx", "weights": None, "directory": str(round_)}
    workspace.state_file.write_text(json.dumps({"pruned": files, "finetuned": None}))
    assert workspace.recall("pruned") == Source(round_ / "net.onnx")
    assert workspace.round_of("pruned") == round_


@pytest.mark.parametrize("inside", ["rate_0.5", None])
def test_nothing_is_written_where_a_state_leads_out_of_its_workspace(workspace, tmp_path, inside):
    """Exploits: the round is elsewhere, by its path or by a link."""
    workspace.path.mkdir()
    (tmp_path / "home").mkdir()
    (workspace.path / "rate_0.5").symlink_to(tmp_path / "home")
    files = {"model": "x", "weights": None, "directory": inside or str(tmp_path / "home")}
    workspace.state_file.write_text(json.dumps({"pruned": files}))
    with pytest.raises(StaleError) as caught:
        workspace.round_of("pruned")
    assert str(caught.value) == (
        f"ws/state.json: the directory of 'pruned' ({files['directory']}) is not in this workspace; "
        "was it copied or moved? run 'prunus prune' again"
    )
    with pytest.raises(UsageError) as caught:
        workspace.directory("rate_0.5")
    assert str(caught.value) == (
        "ws/rate_0.5: leads out of the workspace; make it a directory in it"
    )


@pytest.mark.parametrize("text", ["../net.onnx", "a/../../net.onnx", "net\0.onnx"])
def test_a_path_that_leaves_the_workspace(workspace, text):
    workspace.path.mkdir()
    workspace.state_file.write_text(json.dumps({"source": {"model": text, "weights": None}}))
    with pytest.raises(StaleError) as caught:
        workspace.recall("source")
    assert str(caught.value) == (
        f"ws/state.json: the path {text!r} leads out of the workspace; remove the file and prune "
        "again"
    )


@pytest.mark.parametrize(
    "name",
    ["ana.partial.jsonl", "rate_0.5/snapshots/caffe", ".state.json.7.tmp", "regular_rate_0.1"],
)
def test_a_link_in_the_place_of_what_is_written(workspace, tmp_path, name):
    """An exploit: a journal or a snapshot that is a link to a file of the user's."""
    (tmp_path / "home/.staged-mine").mkdir(parents=True)
    link = workspace.path / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "home")
    with pytest.raises(UsageError) as caught:
        workspace_of(Settings(workspace=workspace.path))
    assert str(caught.value) == (
        f"ws/{name}: leads out of the workspace, and steps write there; remove it"
    )
    assert (tmp_path / "home/.staged-mine").exists()


def test_links_to_samples_and_inside_are_the_users(workspace, tmp_path):
    (tmp_path / "lmdb").mkdir()
    (workspace.path / "rate_0.5").mkdir(parents=True)
    (workspace.path / "mnist_train_lmdb").symlink_to(tmp_path / "lmdb")
    (workspace.path / "rate_0.6").symlink_to("rate_0.5")
    workspace_of(Settings(workspace=workspace.path))


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
        "ws/ana.json: damaged (Object missing required field higher_is_better); remove it and run "
        "the step again"
    )


@pytest.mark.parametrize("key", [{}, {"structure": "x"}])
def test_an_analysis_without_its_digests(workspace, key):
    workspace.save_sensitivity(Sensitivity("loss", False, Measurement(0.5, 0.01), (), key))
    with pytest.raises(StaleError, match="^ws/ana.json: not a result of this version; "):
        workspace.sensitivity()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "Expected object, got array"),
        ("null", "Expected object, got null"),
        ('{"pruned": {"model": "x"}}', "Object missing required field weights at pruned"),
        ('{"pruned": 3}', "Expected object | null, got int at pruned"),
        ('{"pruned": {"model": 5, "weights": null}}', "Expected str, got int at pruned.model"),
        ('{"options": {"a": null}}', "Expected str, got null at options[...]"),
    ],
)  # fmt: skip
def test_a_damaged_state(workspace, text, why):
    workspace.path.mkdir()
    workspace.state_file.write_text(text)
    with pytest.raises(StaleError) as caught:
        workspace.recall("pruned")
    assert str(caught.value) == (
        f"ws/state.json: damaged ({why}); remove it and run the step again"
    )


@pytest.mark.parametrize("name", ["../ana.json", "/tmp/x", "a/b", "..", "a\0", "state.json"])
def test_a_name_of_the_analysis_that_is_a_path(name):
    with pytest.raises(UsageError) as caught:
        workspace_of(Settings(workspace=Path("w"), analysis_file=name))
    assert str(caught.value) == (
        f"analysis_file = {name!r}: a file name other than state.json, not a path"
    )


def test_the_legacy_name_of_the_analysis():
    named = workspace_of(Settings(workspace=Path("w"), analysis_file="ana.out"))
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


@pytest.mark.parametrize(("value", "error"), [(1e308, 0.0), (0.5, 1e308), (-1e200, 0.0)])
def test_an_analysis_of_numbers_no_metric_has(workspace, value, error):
    curve = Curve("g", 8, (Point(0.5, 4, value, error),))
    key = {"structure": "s", "weights": "w"}
    workspace.save_sensitivity(Sensitivity("loss", False, Measurement(0.5, 0.01), (curve,), key))
    with pytest.raises(StaleError, match="^ws/ana.json: not a result of this version; "):
        workspace.sensitivity()
