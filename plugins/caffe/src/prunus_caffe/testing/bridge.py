"""Runs inside the user's Caffe, in whatever Python 3 that lives: npz in, npz out.

Usage: python bridge.py JOBS.json, a list of
{model, weights, phase, inputs (npz), start, outputs ([blob] or null), result (npz), save}.
"""

import json
import os
import sys
from typing import Any

os.environ.setdefault("GLOG_minloglevel", "2")

import caffe
import numpy as np


def run(job: Any) -> None:
    """Run one network once."""
    phase = caffe.TRAIN if job["phase"] == "TRAIN" else caffe.TEST
    arguments = [job["model"], job["weights"]] if job["weights"] else [job["model"]]
    net = caffe.Net(*arguments, phase)
    feeds = np.load(job["inputs"])
    for key in feeds.files:
        blob = net.blobs[key.replace("|", "/")]
        blob.reshape(*feeds[key].shape)
        blob.data[...] = feeds[key]
    net.forward(start=job["start"]) if job["start"] else net.forward()
    names = job["outputs"] or list(net.outputs)
    found = {name.replace("/", "|"): net.blobs[name].data.copy() for name in names}
    np.savez(job["result"], **found)
    if job["save"]:
        net.save(job["save"])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        for one in json.load(file):
            run(one)
