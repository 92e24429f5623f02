"""Runs in the interpreter of real Caffe: trains every net of a plan and stores its weights.

Usage: python train_in_caffe.py plan.json
A plan is a list of {solver, weights, data, result}: a solver file, initial weights as
``layer/index`` arrays, ``x`` and ``y`` of the batches in order, where to write.
"""

import json
import sys

import caffe
import numpy as np


def run(job):
    caffe.set_mode_cpu()
    solver = caffe.get_solver(job["solver"])
    stored = np.load(job["weights"])
    for key in stored.files:
        layer, index = key.rsplit("/", 1)
        solver.net.params[layer][int(index)].data[...] = stored[key]
    batches = np.load(job["data"])
    x = np.ascontiguousarray(batches["x"], dtype=np.float32)
    y = np.ascontiguousarray(batches["y"].reshape(-1, 1, 1, 1), dtype=np.float32)
    solver.net.set_input_arrays(x, y)
    solver.step(job["iterations"])
    result = {
        f"{layer}/{index}": blob.data.copy()
        for layer, blobs in solver.net.params.items()
        for index, blob in enumerate(blobs)
    }
    np.savez(job["result"], **result)


if __name__ == "__main__":
    with open(sys.argv[1]) as plan:
        jobs = json.load(plan)
    for job in jobs:
        run(job)
