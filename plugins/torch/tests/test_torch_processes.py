"""Two processes learn as one does with the batch of both; run as a script it is the second one."""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib import resources
from pathlib import Path

import attrs
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import distributed

from prunus.cli import run
from prunus.plugin import ArrayDataset, Batch, TrainingJob, UsageError
from prunus.training.job import Splicing
from prunus_torch import settings
from prunus_torch.processes import Processes
from prunus_torch.testing import train_job
from prunus_torch.testing.graphs import Array
from prunus_torch.testing.jobs import job_of, network_of, roles_by_name
from prunus_torch.train import train

LIMIT = 300
"""Seconds after which a process that waits for the other prints its stacks and ends."""

MASK = np.random.default_rng(2).random((6, 2, 3, 3)) < 0.5

WAITS: list[None] = []
"""An item for each read before Ctrl-C is pressed."""


class Interrupting(ArrayDataset):
    """Presses Ctrl-C for its own process at the last of the reads it waits for."""

    def read(self, positions: Array, rng: np.random.Generator | None) -> Batch:
        """The samples."""
        if WAITS and not (WAITS.pop() or WAITS):
            os.kill(os.getpid(), signal.SIGINT)
        return super().read(positions, rng)


def job(workspace: Path, **recipe: object) -> TrainingJob:
    """A net with BatchNorm; eight samples an update, each of them in two passes."""
    model, clean = train_job.net(0), train_job.samples().read(np.arange(50), None)
    asked = attrs.evolve(train_job.recipe("SGD"), dropout={}, iterations=6, **recipe)
    data = Interrupting("x", clean.inputs["x"], np.asarray(clean.labels))
    workspace.mkdir(exist_ok=True)
    network = network_of(model, roles_by_name(model))
    return job_of(network, asked, data, workspace, seed=3, options={"threads": "1"})


def distilled(workspace: Path) -> TrainingJob:
    other = train_job.net(5)
    return attrs.evolve(job(workspace), teacher=network_of(other, roles_by_name(other)))


def regrown(workspace: Path) -> TrainingJob:
    def choose(values: Mapping[str, Array]) -> dict[str, Array]:
        weights = np.abs(values["conv/weight"])
        return {"conv/weight": weights >= np.sort(weights, None)[-int(MASK.sum())]}

    masks = {"conv/weight": MASK}
    return attrs.evolve(job(workspace), masks=masks, splicing=Splicing(2, choose))


JOBS: dict[str, Callable[[Path], TrainingJob]] = {
    "batch statistics": job,
    "Adam": lambda path: job(path, solver="Adam", bn_frozen=True, accumulate=1),
    "clipped": lambda path: job(path, clip_gradients=0.1, weight_decay=0.01),
    "distilled": distilled,
    "regrown": regrown,
}


def trained(folder: Path) -> dict[str, dict[str, Array]]:
    """Weights of every job; the last one is interrupted and goes on."""
    found = {name: dict(train(make(folder / name))) for name, make in JOBS.items()}
    stopped = job(folder / "stopped")
    if distributed.get_rank() == 1:  # for the second process alone
        WAITS.extend([None] * 5)
    with pytest.raises(KeyboardInterrupt, match="stopped after 3 iterations"):
        train(stopped)
    distributed.barrier()
    found["stopped"] = dict(train(attrs.evolve(stopped, resume=True)))
    assert run(finetune(folder / "ws")) == 0
    return found


def finetune(workspace: Path) -> list[str]:
    """The words of the command line."""
    digits = str(resources.files("prunus.cli") / "demo_files" / "train.npz")
    words = ["finetune", "--workspace", str(workspace), "--train-data", digits, "--threads", "1"]
    return [*words, "--iterations", "3", "--batch-size", "8"]


def weights_of(workspace: Path) -> dict[str, Array]:
    """Weights of the finetuned network."""
    model = onnx.load(workspace / "rate_0.5" / "snapshots" / "_iter_3" / "digits.onnx")
    return {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}


@contextmanager
def joined(folder: Path, rank: int) -> Iterator[None]:
    """The group of both processes; nobody waits for ever."""
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    rendezvous, patience = f"file://{folder}/rendezvous", timedelta(seconds=LIMIT)
    distributed.init_process_group("gloo", rendezvous, patience, world_size=2, rank=rank)
    try:
        yield
    finally:
        distributed.destroy_process_group()
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Array]]]:
    """The folder, and the weights that two processes end with."""
    folder = tmp_path_factory.mktemp("both")
    digits = str(resources.files("prunus.cli") / "demo_files" / "digits.onnx")
    assert (
        run(["prune", "--model", digits, "--rate", "0.5", "--workspace", str(folder / "ws")]) == 0
    )
    shutil.copytree(folder / "ws", folder / "alone")
    command = [sys.executable, __file__, str(folder)]
    with (folder / "second.txt").open("w") as output:
        second = subprocess.Popen(command, env={**os.environ, "RANK": "1"}, stdout=output)
    try:
        with joined(folder, 0):
            found = trained(folder)
        assert second.wait(LIMIT) == 0
    finally:
        second.kill()
    return folder, found


@pytest.mark.parametrize("name", [*JOBS, "stopped"])
def test_two_processes_learn_as_one(
    tmp_path: Path, both: tuple[Path, dict[str, dict[str, Array]]], name: str
) -> None:
    folder, found = both
    alone = train(JOBS.get(name, job)(tmp_path / "alone"))
    other = np.load(folder / f"second-{name}.npz")
    assert set(found[name]) == set(alone)
    for weight, wanted in alone.items():
        # a bias before batch statistics has no gradient but rounding
        limit = 1e-7 + 1e-5 * float(np.abs(wanted).max())
        np.testing.assert_allclose(found[name][weight], wanted, rtol=0, atol=limit)
        assert np.array_equal(found[name][weight], other[weight]), "both hold the same bits"


def test_the_command_finetune_in_two_processes(
    both: tuple[Path, dict[str, dict[str, Array]]],
) -> None:
    folder, _ = both
    assert run(finetune(folder / "alone")) == 0
    found = weights_of(folder / "ws")
    for name, wanted in weights_of(folder / "alone").items():
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-6)
    assert (folder / "second.txt").read_text() == ""


def test_the_first_process_alone_writes(both: tuple[Path, dict[str, dict[str, Array]]]) -> None:
    folder, _ = both
    assert sorted(path.name for path in (folder / "stopped").iterdir()) == [
        "torch_00000003.npz",
        "torch_00000006.npz",
    ]


def test_a_snapshot_of_two_processes_serves_one(
    tmp_path: Path, both: tuple[Path, dict[str, dict[str, Array]]]
) -> None:
    folder, found = both
    source = folder / "stopped" / "torch_00000003.npz"
    target = tmp_path / "one"
    resumed = attrs.evolve(job(target), resume=True)
    (target / source.name).write_bytes(source.read_bytes())
    for name, weight in train(resumed).items():
        np.testing.assert_allclose(weight, found["stopped"][name], rtol=0, atol=1e-5)


def test_a_batch_that_cannot_be_shared(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        Processes(0, 3).share(job(tmp_path / "odd"))
    assert str(error.value) == "3 processes cannot share a batch of 8; give --batch-size 9"


def test_run_is_no_command_for_a_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert run(["run", "--rates", "0.5", "--workspace", str(tmp_path / "ws")]) == 2
    assert capsys.readouterr().err == (
        "error: run works in one process; start finetune alone by the launcher\n"
    )
    assert not (tmp_path / "ws").exists()


def test_processes_of_a_machine_share_its_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = settings.processors()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert settings.processors() == max(1, whole // 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(10 * whole))
    assert settings.processors() == 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined(Path(sys.argv[1]), 1):
        results = trained(Path(sys.argv[1]))
    for case, weights in results.items():
        np.savez(Path(sys.argv[1]) / f"second-{case}.npz", **weights)  # type: ignore[arg-type]
