"""A bounded part of the campaign of damaged files (benchmarks/campaign.py), without faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parents[1] / "benchmarks/campaign.py"
CORE = "onnx,npz,image list,prunus.toml,workspace state,workspace analysis,journal"
CAFFE = "prototxt,caffemodel,solver,caffe config,lmdb"
DARKNET = "cfg,weights,darknet config,.data,labels"


@pytest.mark.parametrize(
    ("kinds", "needs"),
    [(CORE, "onnxruntime"), (CAFFE, "prunus_caffe"), (DARKNET, "prunus_darknet")],
    ids=["core", "caffe", "darknet"],
)
def test_damaged_files_are_refused_clearly_or_read_rightly(kinds, needs):
    pytest.importorskip(needs)
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), "--kinds", kinds, "--tries", "6"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    faults = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert not faults
    assert "all | " in done.stdout
