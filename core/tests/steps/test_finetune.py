from __future__ import annotations

import shutil
import weakref
from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.compaction import compact
from prunus.errors import DataError, PlanError, PluginError, ProofError, UsageError
from prunus.graph import release
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Compact, Network
from prunus.selection import choose_units
from prunus.settings import Settings
from prunus.steps.analyze import analyze
from prunus.steps.continued import newest
from prunus.steps.finetune import finetune
from prunus.steps.original import UNKNOWN
from prunus.steps.prune import prune
from prunus.steps.transform import transform
from prunus.steps.workspace import Workspace
from prunus.testing.command_line import contents
from prunus.testing.nets import as_network
from prunus.testing.nets.builder import Builder
from prunus.training.scatter import scatter
from prunus.training.tuning import Tuning

TRAIN = Tuning(iterations=3)


def tune(host, settings, tuning):
    """Finetune on test.npz, unless the settings name other training samples."""
    known = attrs.evolve(settings, train_data=settings.train_data or "test.npz")
    return finetune(host, known, tuning)


@pytest.fixture
def pruned(host, settings):
    return prune(host, attrs.evolve(settings, rate=0.4))


def grouped() -> Network:
    """A convolution in two groups between two others."""
    b = Builder(0)
    x = b.conv(b.input(3, 6), 6)
    return as_network(b.model(b.conv(b.act(b.conv(b.act(x), 8, group=2)), 2)))


def test_scatter_puts_every_number_back_where_it_was(draw):
    network = grouped()
    grouping = find_groups(network)
    keep = {g.name: choose_units(g, draw.random(g.size), g.size // 2) for g in grouping.groups}
    full = mask(network, grouping, keep)
    smaller = compact(full, grouping, keep)
    trained = {n: v.const_value.numpy() for n, v in smaller.model.graph.initializers.items()}
    for name, array in scatter(full, smaller, trained).items():
        assert np.array_equal(array, full.weights()[name])


def test_scatter_leaves_removed_places_alone():
    weights = {"w": np.zeros((3, 4), np.float32)}
    network = build(weights)
    small = Compact(build({"w": np.ones((2, 2), np.float32)}).model, {"w": {0: places(0, 2), 1: places(1, 3)}})  # fmt: skip
    found = scatter(network, small, {"w": np.array([[1, 2], [3, 4]])})["w"]
    assert found.tolist() == [[0, 1, 0, 2], [0, 0, 0, 0], [0, 3, 0, 4]]
    assert found.dtype == np.float32
    assert not weights["w"].any()


def test_scatter_of_grouped_inputs_goes_row_by_row():
    """Two groups of two filters; the groups keep different inputs."""
    network = build({"w": np.zeros((4, 3), np.float32)})
    rows = np.array([[0, 2], [1, 2]])
    small = Compact(build({"w": np.ones((2, 2), np.float32)}).model, {"w": {0: places(1, 2), 1: rows}})  # fmt: skip
    found = scatter(network, small, {"w": np.array([[1, 2], [3, 4]])})["w"]
    assert found.tolist() == [[0, 0, 0], [1, 0, 2], [0, 3, 4], [0, 0, 0]]


def places(*numbers):
    return np.array(numbers, np.int64)


def build(weights) -> Network:
    b = Builder(0)
    found = [b.node("Identity", f"{n}/out", [b.weight(n, a)], a.shape) for n, a in weights.items()]
    return as_network(b.model(*found))


@pytest.mark.parametrize(
    ("trained", "wanted"),
    [
        ({"w": np.ones((1, 2))}, "'w': ndarray of shape (1, 2) and type float64 instead of numbers of shape (2, 2)"),
        ({"w": np.ones(2)}, "'w': ndarray of shape (2,) and type float64 instead of numbers of shape (2, 2)"),
        ({"v": np.ones(2)}, "'v': the compact network has no such weights"),
        ({"w": np.full((2, 2), np.nan)}, "'w': NaN or infinite numbers"),
        ({"w": [[1.0, 2.0], [3.0, 4.0]]}, "'w': list [[1.0, 2.0], [3.0, 4.0]] instead of numbers of shape (2, 2)"),
    ],
)  # fmt: skip
def test_weights_of_another_network_are_not_broadcast(trained, wanted):
    network = build({"w": np.zeros((3, 4), np.float32)})
    small = Compact(build({"w": np.ones((2, 2), np.float32)}).model, {"w": {0: places(0, 2), 1: places(1, 3)}})  # fmt: skip
    with pytest.raises(PluginError) as caught:
        scatter(network, small, trained, "trainer 'x' of acme 1.0")
    assert str(caught.value) == f"trainer 'x' of acme 1.0 gave no usable weights {wanted}"


def test_the_trainer_gets_the_compact_network_and_the_mask_holds(host, settings, trainer, pruned):
    found = tune(host, settings, TRAIN)
    (job,) = trainer.jobs
    for name, kept in pruned.keep.items():
        assert job.compact.kept[f"{name}/weight"][0].tolist() == np.flatnonzero(kept).tolist()
    before, after = pruned.masked.weights(), found.network.weights()
    for name in before:
        assert np.allclose(after[name], before[name] * np.float32(1.01))
    assert found.written.model == Path("ws/rate_0.4/snapshots/_iter_3/net.onnx").absolute()
    assert found.written.model.exists()


def test_three_stages(host, settings, pruned):
    report = tune(host, settings, TRAIN).report
    original, before, after = report.stages
    assert original.metric.value == pruned.report.stages[0].metric.value
    assert before.metric.value == pruned.report.stages[1].metric.value
    assert before.macs == after.macs == pruned.report.stages[1].macs
    assert report.facts["iterations"] == 3
    assert report.facts["exact"]
    assert report.facts["proof"]["error"] <= 1e-5
    assert report.facts["proof"]["batches"] == (1, 3)
    assert report.next == "prunus transform"


def recipe(host, settings, trainer, **tuning):
    tune(host, settings, Tuning(**tuning))
    return trainer.jobs[-1].recipe


def test_options_replace_the_recipe(host, settings, trainer, pruned):
    found = recipe(host, settings, trainer, iterations=7, batch_size=5, learning_rate=0.5, snapshot=2)  # fmt: skip
    assert (found.iterations, found.batch_size, found.snapshot) == (7, 5, 2)
    assert found.learning_rate.base == 0.5


@pytest.mark.parametrize(
    ("epochs", "batch_size", "iterations"),
    [(1.0, 8, 5), (2.5, 8, 12), (1.0, 64, 1), (0.01, 8, 1)],  # 40 samples
)
def test_epochs_become_updates(host, settings, trainer, pruned, epochs, batch_size, iterations):
    assert recipe(host, settings, trainer, epochs=epochs, batch_size=batch_size).iterations == iterations  # fmt: skip


def test_distilling_hands_over_the_original(host, settings, trainer, pruned):
    tune(host, settings, attrs.evolve(TRAIN, distill=True))
    tune(host, settings, TRAIN)
    teacher, nobody = (job.teacher for job in trainer.jobs)
    assert nobody is None
    for name, array in teacher.weights().items():
        assert np.array_equal(array, pruned.loaded.network.weights()[name])


def test_an_evaluation_leaves_none_of_its_weights_behind(
    host, settings, trainer, pruned, monkeypatch
):
    monkeypatch.setattr(release, "_SMALL", 0)
    tune(host, settings, TRAIN)
    (job,) = trainer.jobs
    weights = {n: a * np.float32(1) for n, a in trained(job).items()}
    alive = [weakref.ref(array) for array in weights.values()]
    job.evaluate(weights)
    del weights
    assert not any(array() is not None for array in alive)


@pytest.mark.parametrize("bias", [np.inf, -np.inf, np.nan, None])
def test_outputs_that_are_no_numbers_end_the_training(host, settings, trainer, pruned, bias):
    """Infinity too: an engine's Relu and Sigmoid may turn NaN into a number, as with AVX2."""
    tune(host, attrs.evolve(settings, metric="fidelity"), TRAIN)
    (job,) = trainer.jobs
    weights = {n: a * np.float32(1e30 if bias is None else 1) for n, a in trained(job).items()}
    if bias is not None:
        weights["ip2/bias"] = np.full_like(weights["ip2/bias"], bias)
    with pytest.raises(UsageError) as raised:
        job.evaluate(weights)
    assert str(raised.value) == (
        "training diverged: the network's fidelity is no number any more; "
        "lower the learning rate (--learning-rate)"
    )


def trained(job) -> dict[str, np.ndarray]:
    graph = job.compact.model.graph
    return {n: graph.initializers[n].const_value.numpy() for n in job.network.bindings}


def test_nothing_pruned(host, settings):
    with pytest.raises(UsageError) as caught:
        tune(host, attrs.evolve(settings, model=None), TRAIN)
    assert str(caught.value) == "ws: nothing pruned here yet; run 'prunus prune' first"
    with pytest.raises(PlanError) as caught:
        tune(host, settings, TRAIN)
    assert str(caught.value) == "net.onnx: the weights hold no mask; run 'prunus prune' first"
    assert not Path("ws").exists()


def test_a_mask_that_is_gone(host, settings, pruned):
    Workspace(Path("ws")).remember("pruned", pruned.loaded.source, directory=Path("ws/rate_0.4"))
    with pytest.raises(PlanError) as caught:
        tune(host, settings, TRAIN)
    assert str(caught.value) == (
        f"{Path('net.onnx').absolute()}: the weights hold no mask; run 'prunus prune' first"
    )


def test_a_first_round_of_rate_zero(host, settings, trainer):
    """Users of vai_p_* begin so: it is finetuned, and the analysis holds for what comes of it."""
    analyze(host, settings, (0.5,))
    nothing = prune(host, attrs.evolve(settings, rate=0.0))
    tuned = tune(host, settings, TRAIN)
    assert trainer.jobs[0].compact.kept == {}
    before, after = nothing.masked.weights(), tuned.network.weights()
    assert np.allclose(after["conv1/weight"], before["conv1/weight"] * np.float32(1.01))
    second = prune(host, attrs.evolve(settings, rate=0.4, model=tuned.written.model))
    assert second.report.stages[0].metric.value == nothing.report.stages[0].metric.value
    assert Workspace(Path("ws")).recall("original").model == Path("net.onnx").absolute()


def test_samples(host, settings, pruned):
    with pytest.raises(DataError) as caught:
        finetune(host, settings, Tuning())
    assert str(caught.value) == (
        "no training samples: --data test.npz is kept for measuring; give --train-data"
    )
    with pytest.raises(DataError, match="^no training samples: give --train-data$"):
        finetune(host, attrs.evolve(settings, data=None), Tuning())
    np.savez("unlabelled.npz", x=np.zeros((4, 1, 12, 12)))
    with pytest.raises(DataError) as caught:
        tune(host, attrs.evolve(settings, train_data="unlabelled.npz"), Tuning())
    assert str(caught.value) == (
        "the training samples have no labels; learn from the original network without them: "
        "--distill, distill=True in Python"
    )
    assert tune(
        host,
        attrs.evolve(settings, train_data="unlabelled.npz"),
        Tuning(distill=True, iterations=1),
    )


@pytest.fixture
def foreign(settings, pruned):
    """A masked network from another workspace, and settings that name it in a new one."""
    Path("mine.onnx").write_bytes(pruned.written.model.read_bytes())
    return attrs.evolve(settings, model=Path("mine.onnx"), workspace=Path("new"))


def test_a_masked_network_of_the_users_own(host, foreign, trainer, pruned):
    found = tune(host, foreign, TRAIN)
    (job,) = trainer.jobs
    for name, kept in pruned.keep.items():
        assert job.compact.kept[f"{name}/weight"][0].tolist() == np.flatnonzero(kept).tolist()
    assert found.written.model == Path("new/given/snapshots/_iter_3/mine.onnx").absolute()
    original, before, after = found.report.stages
    assert original.metric is None
    assert before.metric.value == pruned.report.stages[1].metric.value
    assert after.metric is not None
    assert UNKNOWN in found.report.notes


def test_the_next_steps_go_on_from_the_users_own(host, foreign, trainer):
    found = tune(host, foreign, TRAIN)
    bare = attrs.evolve(foreign, model=None)
    assert newest(bare).model == found.written.model
    tune(host, bare, TRAIN)
    again, first = trainer.jobs[-1], trainer.jobs[0]
    assert again.workspace == first.workspace == Path("new/given/snapshots").absolute()
    for name, array in first.network.weights().items():
        assert np.array_equal(again.network.weights()[name], array)


def test_another_network_than_the_last_pruned_one(host, settings, trainer, pruned):
    """The last pruned one is trained only where it, or what it was made from, is named."""
    prune(host, attrs.evolve(settings, rate=0.6, model=pruned.written.model))
    for named in (settings.model, pruned.written.model, None):
        tune(host, attrs.evolve(settings, model=named), TRAIN)
        assert trainer.jobs[-1].workspace.parent.name == "rate_0.6"
    Path("mine.onnx").write_bytes(pruned.written.model.read_bytes())
    report = tune(host, attrs.evolve(settings, model=Path("mine.onnx")), TRAIN).report
    assert trainer.jobs[-1].workspace.parent.name == "given"
    # the workspace knows what networks of this structure were before
    assert report.stages[0].metric.value == pruned.report.stages[0].metric.value
    assert UNKNOWN not in report.notes


def test_nobody_to_imitate(host, foreign, trainer):
    with pytest.raises(UsageError) as caught:
        tune(host, foreign, attrs.evolve(TRAIN, distill=True))
    assert str(caught.value) == (
        "--distill learns from the original network, and new knows none of this structure; name its "
        "weights as baseline in prunus.toml"
    )
    assert not Path("new").exists()
    known = attrs.evolve(foreign, baseline=Path("net.onnx"))
    report = tune(host, known, attrs.evolve(TRAIN, distill=True)).report
    assert trainer.jobs[-1].teacher is not None
    assert report.stages[0].metric is not None


def test_the_result_does_not_replace_what_it_is_made_from(host, foreign, trainer):
    tuned = tune(host, foreign, TRAIN).written.model
    with pytest.raises(UsageError) as caught:
        tune(host, attrs.evolve(foreign, model=tuned), TRAIN)
    assert str(caught.value) == (
        f"{tuned}: the finetuned network would replace it; change --iterations or copy it elsewhere"
    )
    more = tune(host, attrs.evolve(foreign, model=tuned), attrs.evolve(TRAIN, iterations=4))
    assert more.written.model != tuned
    assert tuned.exists()


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_a_workspace_that_was_copied_or_moved_is_whole(host, settings, pruned, how):
    tune(host, settings, TRAIN)
    how("ws", "elsewhere")
    before = contents(Path("ws"))
    there = attrs.evolve(settings, workspace=Path("elsewhere"), model=None)
    tuned = tune(host, there, attrs.evolve(TRAIN, iterations=4))
    transform(host, newest(there), None)
    assert contents(Path("ws")) == before
    written = Path("elsewhere/rate_0.4/snapshots").absolute()
    assert tuned.written.model.is_relative_to(written)
    assert Path("elsewhere/transformed/net.onnx").exists()
    assert str(Path("ws").absolute()) not in Path("elsewhere/state.json").read_text()


def test_nothing_to_resume_is_said(host, settings, pruned):
    note = f"{Path('ws/rate_0.4/snapshots').absolute()}: no snapshot to resume; the training began anew"
    anew = attrs.evolve(TRAIN, resume=True)
    assert note in tune(host, settings, anew).report.notes
    assert note not in tune(host, settings, anew).report.notes  # there are files now
    assert note not in tune(host, settings, TRAIN).report.notes


def test_what_training_broke_is_not_written(host, settings, pruned, trainer):
    """Finite weights whose products are not."""
    trainer.factor = 1e20
    with pytest.raises(ProofError) as caught:
        tune(host, attrs.evolve(settings, data=None), TRAIN)
    assert str(caught.value) == (
        "the masked network gives no finite numbers, first at layer 'conv2'; lower the learning "
        "rate (--learning-rate); nothing was written"
    )
    assert not list(Path("ws/rate_0.4/snapshots").iterdir())


def test_a_network_that_training_ruined_is_said_to_have_collapsed(host, trainer, settings):
    prune(host, attrs.evolve(settings, rate=0.4))
    trainer.factor = 0.0
    report = tune(host, settings, TRAIN).report
    assert report.collapse == (
        "the finetuned network has collapsed: its outputs are the same for all 40 samples; prune "
        "less, compensate with more samples (--data, --train-data), or finetune before it is used"
    )
    trainer.factor = 1.0
    again = attrs.evolve(settings, workspace=Path("again"))
    prune(host, attrs.evolve(again, rate=0.4))
    assert tune(host, again, TRAIN).report.collapse is None


def test_a_training_that_harms_says_so(host, trainer, settings, pruned):
    trainer.factor = -1.0
    asked = attrs.evolve(settings, metric="fidelity")
    report = tune(host, asked, Tuning(iterations=3, learning_rate=0.02)).report
    _, before, after = (stage.metric.value for stage in report.stages)
    assert before > after
    assert report.warnings[0] == (
        f"training made it worse: {report.metric} {before:.4g} before, {after:.4g} after; try "
        "--learning-rate 0.002, or more training samples"
    )


def test_samples_of_the_prune_hold_in_later_steps(host, settings):
    known = attrs.evolve(settings, rate=0.4, train_data="test.npz", metric="loss", samples=30)
    pruned = prune(host, known)
    assert pruned.report.next == "prunus finetune"
    bare = Settings(workspace=Path("ws"))
    tuned = finetune(host, bare, TRAIN).report
    final = transform(host, newest(bare), None).report
    values = [[stage.metric.value for stage in one.stages] for one in (pruned.report, tuned, final)]
    assert values[0][0] == values[1][0] == values[2][0]
    assert values[0][1] == values[1][1]
    assert values[1][2] == values[2][2]
    assert {report.metric for report in (tuned, final)} == {"loss"}
    assert tuned.stages[0].bytes == Path("net.onnx").stat().st_size


def test_samples_that_are_gone_are_told_and_left_out(host, settings, pruned):
    Path("test.npz").rename("train.npz")
    report = finetune(host, Settings(workspace=Path("ws"), train_data="train.npz"), TRAIN).report
    assert [stage.metric for stage in report.stages] == [None] * 3
    gone = Path("test.npz").absolute()
    assert report.unmeasured.startswith(
        f"accuracy is not measured: ws/state.json: data: {gone}: no such file or directory; --data "
    )


def test_the_next_command_names_what_training_lacks(host, settings):
    assert prune(host, attrs.evolve(settings, rate=0.4)).report.next == (
        "prunus finetune --train-data SAMPLES"
    )
    np.savez("unlabelled.npz", x=np.zeros((4, 1, 12, 12)))
    bare = attrs.evolve(settings, rate=0.4, train_data="unlabelled.npz")
    assert prune(host, bare).report.next == "prunus finetune --distill"


def test_a_further_round_knows_the_samples_too(host, settings):
    prune(host, attrs.evolve(settings, rate=0.3, train_data="test.npz"))
    bare = Settings(workspace=Path("ws"))
    tuned = finetune(host, bare, TRAIN)
    again = prune(host, attrs.evolve(bare, model=tuned.written.model, rate=0.5)).report
    assert again.metric == "top-1"
    assert again.next == "prunus finetune"
    assert [stage.metric is None for stage in again.stages] == [False, False]
