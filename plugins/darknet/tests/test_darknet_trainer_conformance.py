"""The trainer keeps the promises of the core's conformance kit that the program can keep."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import numpy as np
import pytest
from PIL import Image

from prunus.plugin import (
    Source,
    TrainingJob,
    choose_units,
    compact_graph,
    find_groups,
    mask,
)
from prunus.testing import ExpectedFailure, trainer_checks
from prunus_darknet.cfg import read_cfg
from prunus_darknet.data import open_data
from prunus_darknet.read import load
from prunus_darknet.testing.random_weights import write_random_weights

CFG = (
    "[net]\nbatch=8\nsubdivisions=1\nwidth=16\nheight=16\nchannels=3\nmomentum=0.9\n"
    "learning_rate=0.01\nmax_batches=12\nmin_crop=16\nmax_crop=16\n"
    + "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
    * 2
    + "[convolutional]\nfilters=2\nsize=1\nstride=1\nactivation=linear\n[avgpool]\n[softmax]\n[cost]\n"
)


def job(workspace: Path) -> TrainingJob:
    """A halved classifier of squares in two colours."""
    time.sleep(1.1)  # the program's seed is the clock's second: two runs must not share one
    data = workspace / "set"
    data.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    names = []
    for index in range(24):
        pixels = rng.integers(0, 60, (16, 16, 3)).astype(np.uint8)
        pixels[4:12, 5:11, 2 * (index % 2)] = 250
        names.append(str(data / f"{index}_{('red', 'blue')[index % 2]}.png"))
        Image.fromarray(pixels).save(names[-1])
    (data / "list").write_text("\n".join(names) + "\n")
    (data / "names").write_text("red\nblue\n")
    (data / "x.data").write_text(
        f"classes=2\ntrain={data}/list\nvalid={data}/list\nlabels={data}/names\nnames={data}/names\n"
    )
    cfg = workspace / "net.cfg"
    cfg.write_text(CFG)
    write_random_weights(read_cfg(cfg), workspace / "net.weights", 0)
    network = load(Source(cfg, workspace / "net.weights"))
    grouping = find_groups(network)
    keep = {g.name: choose_units(g, rng.random(g.size), g.size // 2) for g in grouping.groups}
    masked = mask(network, grouping, keep)
    training = open_data(str(data / "x.data"), network, True)
    recipe = attrs.evolve(network.task.recipe, iterations=12, snapshot=4)
    return TrainingJob(
        masked,
        compact_graph(masked, grouping, keep),
        recipe,
        training,
        None,
        None,
        workspace,
        False,
        0,
        lambda _: None,
    )


CLOCK = "the program draws its samples with the clock as the seed"
CHECKS = trainer_checks(
    "darknet",
    job,
    expected_failures={
        "repeats-with-the-seed": ExpectedFailure(CLOCK, "a second run with the same seed differs"),
        "resumes-exactly": ExpectedFailure(CLOCK, "the resumed run differs"),
        "distills-without-labels": ExpectedFailure(
            "the program knows its own losses only", "trainer darknet cannot distill"
        ),
        "asks-for-labels": ExpectedFailure(
            "the program reads images and labels itself, of a .data file",
            "trainer darknet reads images itself: give a Darknet .data file",
        ),
    },
)


@pytest.mark.darknet
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check, darknet) -> None:
    check()
