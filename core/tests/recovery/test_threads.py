"""The number of threads changes no plan, and no output beyond rounding."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

PRUNED = """
import json
import sys
import numpy as np
import onnxruntime as ort
from prunus.evaluation import session

class Options(ort.SessionOptions):
    def __init__(self):
        super().__init__()
        self.intra_op_num_threads = int(sys.argv[1])

session.ort.SessionOptions = Options
import prunus
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.testing.nets import NETS, as_network

network = as_network(NETS["resnet_projection"](0))
samples = random_inputs(network.model, 32, 1)
plan = prunus.plan(network, rate=0.4, data=samples, multiple=1)
masked = prunus.prune(network, plan, data=samples)
found = Session(masked.network.model).run(random_inputs(network.model, 16, 2))
np.savez(sys.argv[2], **found, plan=json.dumps(plan.to_json()))
"""


def pruned(threads, path):
    """Outputs and plan of a child that computes in so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    limits = dict.fromkeys(names, str(threads))
    command = [sys.executable, "-c", PRUNED, str(threads), str(path)]
    subprocess.run(command, check=True, env={**os.environ, **limits})
    return dict(np.load(path))


def test_plan_and_outputs_are_those_of_one_thread(tmp_path):
    one, two = (pruned(threads, tmp_path / f"{threads}.npz") for threads in (1, 2))
    plans = [str(found.pop("plan")) for found in (one, two)]
    assert plans[0] == plans[1]
    assert one.keys() == two.keys()
    for name, array in one.items():
        size = np.abs(array).max()
        assert np.abs(array.astype(float) - two[name]).max() <= 1e-6 * size, name
