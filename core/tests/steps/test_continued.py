"""Which network a step goes on with, by what the settings name and what the workspace holds."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from prunus.errors import StaleError, UsageError
from prunus.network import Source
from prunus.settings import Settings
from prunus.steps.continued import begun, further, named, newest, pruned, unpruned
from prunus.steps.workspace import Workspace

BASE = Source(Path("net.cfg"), Path("net.weights"))
ROUND = Source(Path("ws/rate_0.3/net.cfg"), Path("ws/rate_0.3/weights.prune"))
TUNED = Source(Path("net.cfg"), Path("ws/rate_0.3/snapshots/_iter_9.weights"))
LAST = Source(Path("net.cfg"), Path("ws/rate_0.6/weights.prune"))
MINE = Source(Path("net.cfg"), Path("mine.weights"))


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Pruned twice, the second time from what was finetuned after the first."""
    monkeypatch.chdir(tmp_path)
    for source in (BASE, ROUND, TUNED, LAST, MINE):
        for path in (source.model, source.weights):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = Workspace(Path("ws"))
    found.remember("original", BASE)
    found.remember("source", TUNED)
    found.remember("pruned", LAST, directory=Path("ws/rate_0.6"))
    found.update(options={"norm": "new"}, finetuned=None)
    return found


def at(source: Source | None = None, **changes) -> Settings:
    settings = Settings(workspace=Path("ws"))
    if source is not None:
        settings = attrs.evolve(settings, model=source.model, weights=source.weights)
    return attrs.evolve(settings, **changes)


def names(settings: Settings) -> Source:
    return Source(settings.model, settings.weights)


def whole(source: Source) -> Source:
    return Source(source.model.absolute(), source.weights.absolute())


def test_what_was_analysed_is_pruned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(Path("ws"))
    assert begun(at()) == at()  # nothing is known
    workspace.remember("original", BASE)
    workspace.update(options={"norm": "new"})
    assert names(further(at())) == whole(BASE)
    assert further(at()).options == {"norm": "new"}
    assert further(at(MINE)) == at(MINE)
    workspace.remember("pruned", ROUND, directory=Path("ws/rate_0.3"))
    with pytest.raises(UsageError) as caught:
        begun(at())
    base, last = whole(BASE), whole(ROUND)
    assert str(caught.value) == (
        f"no model given: use --model {base.model} --weights {base.weights} for the original "
        f"network, or --model {last.model} --weights {last.weights} to go on from the last result"
    )


@pytest.mark.parametrize(
    "settings", [at(), at(BASE), at(BASE, weights=None), at(model=None, weights=BASE.weights), at(TUNED)]
)  # fmt: skip
def test_what_it_started_from_means_what_became_of_it(workspace, settings):
    for choose in (pruned, newest):
        assert names(choose(settings)) == whole(LAST)
        assert choose(settings).options == {"norm": "new"}


def test_a_look_without_a_model_is_at_what_it_started_from(workspace):
    found = unpruned(at())
    assert (names(found), found.options) == (whole(BASE), {"norm": "new"})
    assert names(unpruned(at(MINE))) == MINE
    BASE.weights.unlink()
    with pytest.raises(StaleError) as caught:
        unpruned(at())
    assert str(caught.value) == f"{BASE.weights.absolute()}: is gone; give --model"
    with pytest.raises(UsageError) as caught:
        unpruned(Settings(workspace=Path("other")))
    assert str(caught.value) == (
        "other: nothing analysed or pruned here yet, so that it knows no network; give --model"
    )


def test_its_weights_alone_name_the_last_pruned_network(workspace):
    """Whether of the user's model or of the copy beside the weights."""
    for model in (None, BASE.model, ROUND.model):
        assert names(pruned(at(weights=LAST.weights, model=model))) == whole(LAST)


def test_the_last_finetuned_is_newest_while_it_is_of_the_last_round(workspace):
    tuned = Source(BASE.model, MINE.weights)
    workspace.remember("finetuned", tuned, directory=Path("ws/rate_0.6"))
    assert names(newest(at(BASE))) == whole(tuned)
    assert names(pruned(at(BASE))) == whole(LAST)
    workspace.remember("finetuned", tuned, directory=Path("ws/rate_0.3"))
    assert names(newest(at(BASE))) == whole(LAST)


@pytest.mark.parametrize("choose", [pruned, newest, named])
def test_a_network_of_the_users_own_is_taken_as_it_is_given(workspace, choose):
    other = Source(Path("other.cfg"), MINE.weights)
    assert choose(at(other)) == at(other)
    assert names(choose(at(MINE))) == Source(BASE.model.absolute(), MINE.weights)
    alone = at(weights=MINE.weights)
    assert names(choose(alone)) == Source(BASE.model.absolute(), MINE.weights)
    assert choose(alone).options == {"norm": "new"}


def test_an_earlier_round_can_be_named_on_the_command_line_alone(workspace):
    assert names(named(at(TUNED))).weights == TUNED.weights
    assert names(named(at(ROUND))) == ROUND
    assert names(named(at(BASE))) == whole(LAST)


def test_nothing_pruned(workspace):
    empty = Settings(workspace=Path("new"))
    message = "^new: nothing pruned here yet; run 'prunus prune' first$"
    for choose in (pruned, newest):
        with pytest.raises(UsageError, match=message):
            choose(empty)
        assert choose(attrs.evolve(empty, model=BASE.model)).model == BASE.model
    Workspace(Path("new")).remember("original", BASE)  # as ana does
    for choose in (pruned, newest, named):
        with pytest.raises(UsageError, match=message):
            choose(attrs.evolve(empty, model=BASE.model, weights=BASE.weights))
    assert not list(Path("new").glob("given"))


def test_a_pruned_network_that_is_gone(workspace):
    LAST.weights.unlink()
    with pytest.raises(StaleError) as caught:
        newest(at())
    assert str(caught.value) == f"{LAST.weights.absolute()}: is gone; run 'prunus prune' again"


def test_without_a_workspace(workspace):
    lone = Settings(model=MINE.model, weights=MINE.weights)
    assert newest(lone) == named(lone) == lone
    with pytest.raises(UsageError) as caught:
        newest(Settings())
    assert str(caught.value) == (
        "no model given; use --model FILE --weights FILE, or --workspace DIR"
    )
