"""Runs inside the user's own Caffe, in whatever Python that lives (2.7 and 3.5 on).

Usage: python child.py JOB
JOB is JSON: solver (file), weights (file), state (solverstate or null), skip (passes the data
layers have already given), device (GPU number or null for the CPU), base_lr, masks (.npz of
"LAYER/BLOB NUMBER" -> 1 where a weight stays, or null).
Commands come as lines of JSON on stdin, one answer each on stdout; the end of stdin ends it.
Caffe's own words go to stderr.
"""

import json
import os
import signal
import sys

MYPY = False
if MYPY:  # Python 2 has no typing
    from typing import Any  # noqa: F401  read in type comments


def main():
    # type: () -> None
    """Train one update a command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide on
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Caffe prints must not come between answers
    job = json.loads(sys.argv[1])
    del sys.path[0]  # this directory: its modules are not meant for that interpreter
    try:
        import caffe
    except ImportError as error:
        tell(answers, missing=str(error))
        return
    set_mode(caffe, job["device"])
    solver = caffe.get_solver(str(job["solver"]))
    if job["state"]:
        solver.restore(str(job["state"]))
    else:
        solver.net.copy_from(str(job["weights"]))
    skip(solver.net, job["skip"])
    masks = masks_in(job["masks"])
    losses = [name for name, weight in solver.net.blob_loss_weights.items() if weight]
    tell(answers, losses=losses, iteration=solver.iter)
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        order = json.loads(line)
        if order["do"] == "step":
            rate = getattr(solver, "lr", job["base_lr"])  # pycaffe tells it since 1.0
            caffe.set_random_seed(order["seed"])
            solver.step(1)
            hold(solver.net, masks)
            tell(answers, loss=loss_of(solver.net), rate=rate, iteration=solver.iter)
        elif order["do"] == "save":
            solver.net.save(str(order["path"]))
            tell(answers)
        elif order["do"] == "snapshot":
            solver.snapshot()
            tell(answers)


def masks_in(path):
    # type: (Any) -> dict[str, Any]
    """Masks by layer and blob number."""
    if path is None:
        return {}
    import numpy

    return dict(numpy.load(str(path)))


def hold(net, masks):
    # type: (Any, dict[str, Any]) -> None
    """Masked weights are zero after every update, whatever Caffe's momentum did."""
    for name, mask in masks.items():
        layer, _, number = name.rpartition("/")
        net.params[layer][int(number)].data[...] *= mask


def tell(answers, **fields):
    # type: (Any, **object) -> None
    """Give one answer."""
    answers.write(json.dumps(fields) + "\n")
    answers.flush()


def set_mode(caffe, device):
    # type: (Any, Any) -> None
    """Use the GPU asked for if this Caffe and this machine have it, else the CPU."""
    if device is not None and has_gpu(caffe, device):
        caffe.set_device(device)
        caffe.set_mode_gpu()
    else:
        sys.stderr.write("prunus: training on the CPU\n")
        caffe.set_mode_cpu()


def has_gpu(caffe, device):
    # type: (Any, int) -> bool
    """Caffe ends the process where there is none, so a copy of it tries first."""
    if not hasattr(os, "fork"):  # Windows
        return False
    copy = os.fork()
    if copy == 0:
        caffe.set_device(device)
        os._exit(0)
    return os.waitpid(copy, 0)[1] == 0


def skip(net, passes):
    # type: (Any, int) -> None
    """Let the data layers give what they gave before the snapshot: Caffe starts them anew."""
    sources = [i for i in range(len(net.layers)) if not len(net._bottom_ids(i))]
    for _ in range(passes):
        for index in sources:
            net._forward(index, index)


def loss_of(net):
    # type: (Any) -> float
    """Weighted sum of the loss blobs of the last pass."""
    weights = net.blob_loss_weights
    return sum(
        float(weight) * float(net.blobs[name].data.sum())
        for name, weight in weights.items()
        if weight
    )


if __name__ == "__main__":
    main()
