"""Runs one training of a small net in a process of its own, for tests that kill it.

Usage: python -m prunus_torch.testing.train_job WORKSPACE RESULT
       [--resume] [--distill] [--pause SECONDS] [--hold] [--solver NAME]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnx import helper

from prunus.plugin import ArrayDataset, Batch, LearningRate, Progress, Recipe, TrainingJob
from prunus_torch.testing.graphs import Array, model_of
from prunus_torch.testing.jobs import job_of, network_of, roles_by_name
from prunus_torch.train import train

ITERATIONS = 24


class Noisy(ArrayDataset):
    """Adds what augmentation would: numbers drawn from the generator it is given."""

    def read(self, positions: Array, rng: np.random.Generator | None) -> Batch:
        """Samples with noise where ``rng`` asks for training."""
        batch = super().read(positions, rng)
        noise = 0 if rng is None else rng.standard_normal(batch.inputs["x"].shape) * 0.1
        return Batch({"x": (batch.inputs["x"] + noise).astype(np.float32)}, batch.labels)


def net(seed: int) -> ir.Model:
    """A small classifier with BatchNorm: ``x`` (N, 2, 7, 7) to ``y`` (N, 4)."""
    draw = np.random.default_rng(seed)

    def weight(*shape: int) -> Array:
        return (draw.standard_normal(shape) * 0.3).astype(np.float32)

    operands = ["c", "bn/scale", "bn/shift", "bn/mean", "bn/variance"]
    nodes = [
        helper.make_node("Conv", ["x", "conv/weight", "conv/bias"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", operands, ["b"]),
        helper.make_node("Relu", ["b"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "ip/weight", "ip/bias"], ["y"], transB=1),
    ]
    ones, zeros = np.ones(6, np.float32), np.zeros(6, np.float32)
    constants = {
        "conv/weight": weight(6, 2, 3, 3),
        "conv/bias": zeros,
        "ip/weight": weight(4, 6),
        "ip/bias": zeros[:4],
        "bn/scale": ones,
        "bn/shift": zeros,
        "bn/mean": zeros,
        "bn/variance": ones,
    }
    return model_of(nodes, {"x": (8, 2, 7, 7)}, ["y"], constants)


def samples() -> Noisy:
    """50 samples of 4 classes: the class is added to every value."""
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 4, 50)
    x = draw.standard_normal((50, 2, 7, 7)) + labels[:, None, None, None]
    return Noisy("x", x.astype(np.float32), labels)


def recipe(solver: str = "Adam") -> Recipe:
    """A recipe in which every random part and interval plays."""
    return Recipe(
        solver=solver,
        iterations=ITERATIONS,
        batch_size=8,
        accumulate=2,
        snapshot=3,
        test_interval=5,
        learning_rate=LearningRate("poly", 0.01),
        dropout={"f": 0.3},
        weight_decay=1e-3,
    )


def job(
    workspace: Path,
    *,
    resume: bool = False,
    distill: bool = False,
    pause: float = 0,
    hold: bool = False,
    solver: str = "Adam",
) -> TrainingJob:
    """The job; it writes each iteration on stdout and then waits ``pause`` seconds.

    With ``hold`` it waits before the last update until its stdin is closed: a test that stops
    it meets it alive, however slow the machine.
    """
    model = net(0)
    other = net(5)

    def report(progress: Progress) -> None:
        sys.stdout.write(f"{progress.iteration}\n")
        sys.stdout.flush()
        time.sleep(pause)
        if hold and progress.iteration == ITERATIONS - 1:
            sys.stdin.read()

    return job_of(
        network_of(model, roles_by_name(model)),
        recipe(solver),
        samples(),
        workspace,
        teacher=network_of(other, roles_by_name(other)) if distill else None,
        report=report,
        resume=resume,
        seed=3,
        options={"threads": "1"},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--distill", action="store_true")
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--solver", default="Adam")
    given = vars(parser.parse_args())
    result = given.pop("result")
    np.savez(result, **train(job(**given)))  # type: ignore[arg-type]
