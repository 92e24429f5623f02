"""Runs inside the user's real Caffe (any Python 3): npz in, npz out.

Usage: python caffe_bridge.py JOB.json, with a list of jobs
{model, weights, inputs (npz: blob -> array), outputs [blob…] or null for net outputs,
 result (npz path), phase, save (caffemodel path or null)}.
"""

import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")

import caffe  # noqa: E402
import numpy as np  # noqa: E402


def run(job):
    phase = caffe.TRAIN if job.get("phase") == "TRAIN" else caffe.TEST
    if job.get("weights"):
        net = caffe.Net(job["model"], job["weights"], phase)
    else:
        net = caffe.Net(job["model"], phase)
    feeds = np.load(job["inputs"])
    for name in feeds.files:
        blob = net.blobs[name]
        blob.reshape(*feeds[name].shape)
        blob.data[...] = feeds[name]
    first = job.get("start")
    net.forward(start=first) if first else net.forward()
    names = job.get("outputs") or list(net.outputs)
    np.savez(job["result"], **{name.replace("/", "|"): net.blobs[name].data.copy() for name in names})
    if job.get("save"):
        net.save(job["save"])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        for job in json.load(file):
            run(job)
