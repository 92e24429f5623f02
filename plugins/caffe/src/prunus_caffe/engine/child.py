"""Runs inside the user's own Caffe, in whatever Python that lives (2.7 and 3.5 on).

Usage: python child.py MODEL WEIGHTS
Commands come as lines of JSON on stdin, one answer each on stdout; the end of stdin ends it:
{do: run, given (.npz of 0, 1, ...), inputs (blobs), outputs (blobs), result (.npz)}.
Caffe's own words go to stderr.
"""

import json
import os
import signal
import sys
import time

MYPY = False
if MYPY:  # Python 2 has no typing
    from typing import Any  # noqa: F401  read in type comments


def main():
    # type: () -> None
    """Run one sample a command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide on
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Caffe prints must not come between answers
    del sys.path[0]  # this directory: its modules are not meant for that interpreter
    try:
        import caffe
    except ImportError as error:
        tell(answers, missing=str(error))
        return
    caffe.set_mode_cpu()
    net = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
    tell(answers)
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        tell(answers, milliseconds=run(net, json.loads(line)))


def run(net, order):
    # type: (Any, Any) -> float
    """Give the outputs of one sample, and how long it took."""
    import numpy

    given = numpy.load(order["given"])
    for number, name in enumerate(order["inputs"]):
        array = given[str(number)]
        net.blobs[name].reshape(*array.shape)
        net.blobs[name].data[...] = array
    net.reshape()
    start = time.time()
    net.forward()
    seconds = time.time() - start
    found = {}
    for number, name in enumerate(order["outputs"]):
        found[str(number)] = net.blobs[name].data
    numpy.savez(order["result"], **found)
    return seconds * 1e3


def tell(answers, **fields):
    # type: (Any, **object) -> None
    """Give one answer."""
    answers.write(json.dumps(fields) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
